"""Pixels spread over blocks of a larger image, which may overlap, leave gaps, and stick out at its edges."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer
from caffelite.core.layers.shared.taps import Taps, blend, blend_backward

Fields = tuple[str, str, str]  # of one size: the field for both sides, the one for height and the one for width


class Block(NamedTuple):
    """The blocks along one axis: their size, the step from one to the next, and what is cut off at the start."""

    kernel: int
    stride: int
    pad: int = 0

    @property
    def step(self) -> Fraction:
        """How many pixels of the small image one of the large image is."""
        return Fraction(1, self.stride)

    def begins(self, pixel: str) -> str:
        """Return where the block of a pixel begins, for a formula: 2 * h - 1."""
        return f"{self.stride} * {pixel}" + (f" - {self.pad}" if self.pad else "")

    def middles(self, size: int, wanted: int) -> Taps:
        """Return `wanted` places with each of `size` values in the middle of its block; the last of several stands."""
        owner = np.full(wanted, -1)
        middles = (2 * (np.arange(size) * self.stride - self.pad) + self.kernel - 1) // 2
        for value, middle in enumerate(np.clip(middles, 0, wanted - 1)):
            owner[middle] = value
        return Taps(np.maximum(owner, 0)[:, None], (owner >= 0).astype(float)[:, None])

    def whole(self, size: int, wanted: int) -> Taps:
        """Return `wanted` places with each of `size` values all over its block; where blocks overlap their sum."""
        place = np.arange(wanted) + self.pad
        first = np.maximum(-((self.kernel - 1 - place) // self.stride), 0)
        last = np.minimum(place // self.stride, size - 1)
        index = first[:, None] + np.arange(max((last - first + 1).max(initial=1), 1))
        return Taps(np.clip(index, 0, size - 1), (index <= last[:, None]).astype(float))


class BlocksLayer(Layer):
    """A layer that spreads each pixel of bottom[0] over a block of top[0]; of further bottoms the shape alone counts.

    `reshape` finds `blocks`, down and across, and what each line and column of the top is made of.
    """

    exact_num_top_blobs = 1
    gradient_reads_bottoms = False
    blocks: list[Block]
    _down: Taps
    _across: Taps

    def in_blocks(self, how: str) -> str:
        """Return the formula, with the sizes of the blocks; `how` says what a block holds."""
        down, across = self.blocks
        return (
            f"y = x[n, c, h, w] in the block of {down.kernel} x {across.kernel} from {down.begins('h')}, "
            f"{across.begins('w')} on ({how})"
        )

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return how many blocks overlap, as of a deconvolution; of another bottom nothing is read but the shape."""
        if bottom_index:
            return None
        overlap = (self._down.source.shape[1], self._across.source.shape[1])
        return Reach(overlap, tuple(block.step for block in self.blocks))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        top[0].data[...] = blend(bottom[0].data, self._down, self._across)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the gradient of bottom[0] with what its block gives back; that of another bottom is zero."""
        if propagate_down[0]:
            blend_backward(top[0].diff, self._down, self._across, bottom[0].diff)
        for blob, wanted in zip(bottom[1:], propagate_down[1:], strict=True):
            if wanted:
                blob.diff.fill(0)


def down_and_across(param: Any, message: str, fields: Fields, needed: bool = False) -> tuple[int, int]:
    """Return a size given as one number or as _h and _w both; LayerError for half of them, for both forms, for none."""
    both, *sides = fields
    given = [side for side in sides if param.HasField(side)]
    if len(given) == 1 or given and param.HasField(both):
        raise LayerError(
            f"{message}.{given[0]}", getattr(param, given[0]), f"give {both}, or {sides[0]} and {sides[1]}"
        )
    if not given and needed and not param.HasField(both):
        raise LayerError(f"{message}.{both}", "not given", f"give it, or {sides[0]} and {sides[1]}")
    down, across = (getattr(param, name) for name in (given or (both, both)))
    return down, across
