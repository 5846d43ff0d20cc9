"""Images made larger or smaller: each pixel of the top a weighted sum of pixels of the bottom, axis by axis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array


class Taps(NamedTuple):
    """What one axis of a top is made of: for each of its n places, which k places of the bottom and how much of each.

    source: (n, k), whole numbers within the bottom. weight: (n, k), 0 where there are fewer than k.
    """

    source: Array
    weight: Array

    def matrix(self, size: int, dtype: np.dtype[np.generic]) -> Array:
        """Return the weights as a matrix (n, size), for a bottom of this size."""
        dense = np.zeros((len(self.source), size))
        np.add.at(dense, (np.arange(len(self.source))[:, None], self.source), self.weight)
        return dense.astype(dtype)


@np.errstate(over="ignore", invalid="ignore")  # a net that diverges is the solver's affair
def blend(images: Array, down: Taps, across: Taps) -> Array:
    """Return images (..., H, W) resampled on both axes. Pixels of weight 0 do not count, even inf or nan."""
    return _along(_along(images, across, -1), down, -2)


@np.errstate(over="ignore", invalid="ignore")
def blend_backward(top_diff: Array, down: Taps, across: Taps, bottom_diff: Array) -> None:
    """Overwrite bottom_diff (..., H, W) with the gradient of what `blend` made into top_diff."""
    height, width = bottom_diff.shape[-2:]
    rows = down.matrix(height, top_diff.dtype).T @ top_diff
    np.matmul(rows, across.matrix(width, top_diff.dtype), out=bottom_diff)


def _along(images: Array, taps: Taps, axis: int) -> Array:
    total: Array | None = None
    for source, weight in zip(taps.source.T, taps.weight.T, strict=True):
        part = np.take(images, source, axis)
        by_place = part if axis == -1 else part.swapaxes(-1, -2)
        if not (weight == 1).all():
            by_place *= weight.astype(images.dtype)
            by_place[..., weight == 0] = 0
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None, "an axis needs one tap at least"
    return total
