"""What of a large net is left out of the page: which weights, which positions, by how much they count."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array, Shape

MOST_SHOWN = 64  # channels of a blob that are drawn


class Limits(NamedTuple):
    """How many numbers the page holds: values of blobs (and as many gradients), and weights."""

    values: int = 600_000
    weights: int = 1_500_000


class Part(NamedTuple):
    """The part of a blob that is in the page: the first items, of these all channels, of 4 axes a rectangle of pixels.

    `rectangle` is (top, left, height, width), None for all.
    """

    items: int
    rectangle: tuple[int, int, int, int] | None = None

    def of(self, values: Array) -> Array:
        """Return that part of an array."""
        if self.rectangle is None:
            return values[: self.items] if values.ndim else values
        top, left, height, width = self.rectangle
        part: Array = values[: self.items, :, top : top + height, left : left + width]
        return part


def fair_share(counts: Sequence[int], total: int) -> int:
    """Return the largest size for each of several arrays so that together they have at most `total` elements.

    Those that are smaller leave more to the others: of 10, 100, 100 and a total of 110 each gets 50.
    """
    left, share = total, 0
    for taken, count in enumerate(sorted(counts)):
        share = left // (len(counts) - taken)
        if count > share:
            return share
        left -= count
    return max(counts, default=0)


def part_of(shape: Shape, most: int) -> Part | None:
    """Return the part of a blob that has at most `most` values, around the middle of its pixels; None if there is none.

    Fewer items come before fewer pixels.
    """
    count = prod(shape)
    if count <= most:
        return Part(shape[0] if shape else 1)
    if shape[0] > 1 and count // shape[0] <= most:
        return Part(most // (count // shape[0]))
    if len(shape) != 4 or shape[1] > most:
        return None
    pixels, (height, width) = most // shape[1], shape[2:]
    scale = sqrt(pixels / (height * width))
    rows = min(height, max(1, int(height * scale)))
    columns = min(width, max(1, pixels // rows))
    return Part(1, ((height - rows) // 2, (width - columns) // 2, rows, columns))


def by_weight(data: Array, diff: Array) -> Array:
    """Return the channels of a blob (N, C, ...), those first that count most for what was differentiated.

    That is the sum of |value x gradient| over the first item; without a gradient, of |value|.
    """
    if data.ndim < 2 or not data.shape[0]:
        return np.arange(data.shape[0] if data.ndim else 1)
    return np.argsort(-_importance(data, diff).reshape(data.shape[1], -1).sum(axis=1), kind="stable")


def places_by_weight(data: Array, diff: Array) -> Array:
    """Return the flat places of the first item, likewise."""
    return np.argsort(-_importance(data, diff).reshape(-1), kind="stable")


def _importance(data: Array, diff: Array) -> Array:
    first = np.abs(data[0].astype(np.float64))
    slope = np.abs(diff[0].astype(np.float64))
    product: Array = first * slope if slope.any() else first
    return np.nan_to_num(product, posinf=0.0)


def lines_that_fit(shape: Shape, most: int) -> tuple[int, int]:
    """Return how many rows (first axis) and columns (second axis) of a parameter each take half of `most` values."""
    row, column = prod(shape[1:]), shape[0] * prod(shape[2:])
    return min(shape[0], most // 2 // row), min(shape[1], most // 2 // column)
