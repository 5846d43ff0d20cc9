"""Transpose: the axes in another order. Source: tianzhi0549/caffe (of CTPN), src/caffe/layers/transpose_layer.cpp."""

from __future__ import annotations

from caffelite.core.blob import Shape
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import register_layer
from caffelite.core.layers.shared.axis_order import AxisOrderLayer, check_axes


@register_layer("Transpose")
class TransposeLayer(AxisOrderLayer):
    """Put the axes into the order of `dim`, which lists all of them (Permute adds those that are not listed).

    bottom[0]: any shape.
    top[0]:    its sizes in that order: shape[i] is that of axis dim[i] of the bottom. dim: 3 dim: 0 dim: 1 dim: 2 makes
               (N, C, H, W) to (W, N, C, H).

    Raises LayerError unless each axis of the bottom is listed once.
    """

    messages = ("transpose_param",)
    fork = "CTPN"

    def axis_order(self, shape: Shape) -> tuple[int, ...]:
        """Return the axes listed."""
        listed = tuple(self.layer_param.transpose_param.dim)
        if len(listed) != len(shape):
            raise LayerError(
                "transpose_param.dim",
                f"given {len(listed)} times",
                f"list all {len(shape)} axes of the bottom, whose shape is {shape_or_scalar(shape)}",
            )
        check_axes("transpose_param.dim", listed, shape)
        return listed
