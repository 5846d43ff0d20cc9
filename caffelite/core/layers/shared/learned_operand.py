"""What Scale multiplies by and Bias adds: a learned parameter, or bottom[1], along some axes of bottom[0]."""

from __future__ import annotations

from math import prod

from caffelite.core.blob import Shape
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.layer import Blobs, Layer


def operand_shape(layer: Layer, bottom: Blobs, axis: int, num_axes: int, message: str) -> Shape:
    """Return the shape of a learned operand: that of `num_axes` axes of bottom[0] from `axis` on, -1 for all of them.

    For a bottom of (8, 3, 5, 5), axis 1 and num_axes 1 give (3): one number a channel.
    `message` is the name of the layer's message, for errors: LayerError if the bottom has not so many axes.
    """
    start = layer.canonical_axis(bottom[0], axis, f"{message}.axis")
    if num_axes < -1:
        raise LayerError(f"{message}.num_axes", num_axes, "use 0 or more, or -1 for all axes from `axis` on")
    end = bottom[0].num_axes if num_axes == -1 else start + num_axes
    if end > bottom[0].num_axes:
        raise LayerError(
            f"{message}.num_axes",
            num_axes,
            f"a bottom of shape {shape_string(bottom[0].shape)} has {bottom[0].num_axes - start} axes from {start} on",
        )
    return bottom[0].shape[start:end]


def around(layer: Layer, bottom: Blobs, shape: Shape, axis: int, message: str) -> tuple[int, int, int]:
    """Return (outer, S, inner), the shape in which bottom[0] meets an operand of `shape`, S elements, from `axis` on.

    An operand of (3) on axis 1 of (8, 3, 5, 5) gives (8, 3, 25). An operand without axes is one number for all values,
    whatever `axis` is. LayerError if the sizes differ.
    """
    start = layer.canonical_axis(bottom[0], axis, f"{message}.axis") if shape else 0
    whole = bottom[0].shape
    if whole[start : start + len(shape)] != shape:
        raise LayerError(
            "bottom[1]" if len(bottom) == 2 else "bottom[0]",
            shape_or_scalar((bottom[1] if len(bottom) == 2 else bottom[0]).shape),
            f"an operand of {shape_string(shape)} cannot lie on axis {start} and following of {shape_string(whole)}",
        )
    return prod(whole[:start]), prod(shape), prod(whole[start + len(shape) :])
