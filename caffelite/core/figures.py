"""Figures: mean, deviation, range and share of zeros of an array, for tables and texts."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

HEAD = ("mean", "std", "smallest", "largest", "zeros")
BLOCK = 2**18  # elements that are looked at together, so that no array of the whole size is made


class Figures(NamedTuple):
    """Of all values together, in float64; NaN where there are none. zeros is the share of those that are 0."""

    mean: float
    std: float
    smallest: float
    largest: float
    zeros: float

    def cells(self) -> list[str]:
        """Return them as they stand below HEAD."""
        return [*(f"{value:.4g}" for value in self[:-1]), _share(self.zeros)]

    def text(self) -> str:
        """Return them in words."""
        zeros = f", {_share(self.zeros)} zeros" if self.zeros else ""
        return f"{self.smallest:.4g} to {self.largest:.4g}, mean {self.mean:.4g}, std {self.std:.4g}{zeros}"


def _share(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f}%"


def figures_of(values: npt.NDArray[Any]) -> Figures:
    """Return the figures of an array of any shape; NaN in it makes all of them NaN but the zeros."""
    flat = values.reshape(-1)
    if not flat.size:
        return Figures(math.nan, math.nan, math.nan, math.nan, math.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = float(flat.sum(dtype=np.float64) / flat.size)
        squares = 0.0
        for start in range(0, flat.size, BLOCK):
            deviation = flat[start : start + BLOCK].astype(np.float64) - mean
            squares += float(deviation @ deviation)
        zeros = 1 - float(np.count_nonzero(flat) / flat.size)
        return Figures(mean, math.sqrt(squares / flat.size), float(flat.min()), float(flat.max()), zeros)
