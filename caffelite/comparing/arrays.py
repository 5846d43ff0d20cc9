"""How much two arrays differ."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.figures import figures_of


class Difference(NamedTuple):
    """Of two arrays of one shape: how many values differ, the largest difference, and that of norms.

    largest: of |a - b|, inf where one is no number. relative: |a - b| / |a| of the whole arrays, as vectors. stds: the
    standard deviations of both.
    """

    differing: int
    largest: float
    relative: float
    stds: tuple[float, float]


def difference(first: Array, second: Array, tolerance: float = 0.0) -> Difference:
    """Compare arrays of one shape; values within `tolerance` times the larger of the two are equal, as are two nan."""
    ours, theirs = (np.asarray(array, np.float64).ravel() for array in (first, second))
    with np.errstate(invalid="ignore"):  # inf less inf
        gap = np.abs(ours - theirs)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    gap[same] = 0
    gap[np.isnan(gap)] = np.inf
    with np.errstate(invalid="ignore"):  # 0 times inf
        differs = ~same & ~(gap <= tolerance * np.maximum(np.abs(ours), np.abs(theirs)))
    norm = float(np.linalg.norm(ours[np.isfinite(ours)]))
    return Difference(
        int(differs.sum()),
        float(gap.max(initial=0)),
        float(np.linalg.norm(gap) / norm) if norm else float(np.inf if gap.any() else 0),
        (figures_of(ours).std, figures_of(theirs).std),
    )
