"""What a layer tells of its work: what it costs, which pixels it reads, and the products that it computes."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from caffelite.core.blob import Shape


class Cost(NamedTuple):
    """What a layer costs, for the whole batch.

    multiply_adds: of products in a forward pass; what is done once or twice a value does not count.
    parameters: numbers in its parameter blobs. top_bytes: data of the tops that are not a bottom.
    state_bytes: what it keeps besides its blobs until the backward or the next pass.
    """

    multiply_adds: int
    parameters: int
    top_bytes: int
    state_bytes: int


class Reach(NamedTuple):
    """The pixels of a bottom that one pixel of a top is made of, on each spatial axis (2, 3, ... of a blob).

    `extent` is how many they are from the first to the last, `stride` how far the window moves from one pixel of the
    top to the next. Both are () where all pixels of the bottom are read: `WHOLE`.
    """

    extent: tuple[int, ...]
    stride: tuple[Fraction, ...]


WHOLE = Reach((), ())


class Product(NamedTuple):
    """One product of matrices that a layer's pass is: `left` (m, k) times `right` (k, n), done `times` times.

    `makes` is what becomes of it; names are for people. `is_forward` tells the pass.
    """

    makes: str
    left: str
    left_shape: Shape
    right: str
    right_shape: Shape
    times: int = 1
    is_forward: bool = False

    @property
    def shape(self) -> Shape:
        """Return (m, n), the shape of what is made."""
        return (self.left_shape[0], self.right_shape[1])

    @property
    def multiply_adds(self) -> int:
        """Return how many there are in all the `times` together."""
        return self.times * self.left_shape[0] * self.left_shape[1] * self.right_shape[1]
