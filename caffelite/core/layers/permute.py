"""Permute: the axes in another order. Source: weiliu89/caffe (branch ssd), src/caffe/layers/permute_layer.cpp."""

from __future__ import annotations

from caffelite.core.blob import Shape
from caffelite.core.layer import register_layer
from caffelite.core.layers.shared.axis_order import AxisOrderLayer, check_axes


@register_layer("Permute")
class PermuteLayer(AxisOrderLayer):
    """Put the axes into the order of `order`; those that it does not list follow, rising.

    bottom[0]: any shape.
    top[0]:    its sizes in that order: shape[i] is that of axis order[i] of the bottom. order: 0 order: 2 order: 3
               order: 1 makes (N, C, H, W) to (N, H, W, C).

    The top is a copy, also where the order changes nothing. Raises LayerError for an axis that the bottom lacks and for
    one that is listed twice.
    """

    messages = ("permute_param",)
    fork = "SSD"

    def axis_order(self, shape: Shape) -> tuple[int, ...]:
        """Return the axes listed, then the others."""
        listed = tuple(self.layer_param.permute_param.order)
        check_axes("permute_param.order", listed, shape)
        return (*listed, *(axis for axis in range(len(shape)) if axis not in listed))
