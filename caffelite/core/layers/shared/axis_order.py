"""What layers share whose top is the bottom with its axes in another order."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from caffelite.core.blob import Shape
from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer


class AxisOrderLayer(Layer):
    """Base of Permute and Transpose: a subclass gives `axis_order`, the source axis of each axis of the top.

    The order may be any for a bottom with another number of axes: it is asked for at each reshape.
    """

    formula = "y = x, its axes in the order {layer.order}"
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False
    order: tuple[int, ...] = ()

    def axis_order(self, shape: Shape) -> tuple[int, ...]:
        """Return the source axis of each axis of the top, for a bottom of this shape."""
        raise NotImplementedError(f"{type(self).__name__} has no axis_order")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Find the order and shape the top."""
        self.order = self.axis_order(bottom[0].shape)
        top[0].reshape(*(bottom[0].shape[axis] for axis in self.order))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        top[0].data[...] = bottom[0].data.transpose(self.order)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the top's, the axes put back."""
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff.transpose(np.argsort(self.order))

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return the pixel itself where height and width stay where they are; elsewhere the top is no image."""
        spatial = self.order[2:]
        if not spatial or spatial != tuple(range(2, len(self.order))):
            return None
        return Reach((1,) * len(spatial), (Fraction(1),) * len(spatial))


def check_axes(field: str, axes: Sequence[int], blob_shape: Sequence[int]) -> None:
    """Raise LayerError, naming `field`, if an axis is listed twice or the bottom of this shape lacks it."""
    for place, axis in enumerate(axes):
        if not 0 <= axis < len(blob_shape):
            raise LayerError(
                f"{field}[{place}]",
                axis,
                f"a bottom of shape {shape_or_scalar(blob_shape)} has axes 0 to {len(blob_shape) - 1}",
            )
        if axis in axes[:place]:
            raise LayerError(f"{field}[{place}]", axis, "this axis is listed before; each may be there once")
