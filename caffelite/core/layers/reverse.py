"""Reverse: what lies along an axis, backwards. Source: tianzhi0549/caffe (of CTPN), reverse_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Reverse")
class ReverseLayer(Layer):
    """Turn the order along each `axis` round; without one, along axis 0.

    bottom[0]: any shape with these axes; negative ones count from the end.
    top[0]:    the same shape.

    Several axes are of Huawei's form of the layer. Raises LayerError for an axis that the bottom lacks and for one that
    is given twice.
    """

    messages = ("reverse_param",)
    formula = "y = x, backwards along axes {layer.axes}"
    fork = "CTPN"
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False
    axes: tuple[int, ...] = ()

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Find the axes and shape the top."""
        given = list(self.layer_param.reverse_param.axis) or [0]
        self.axes = tuple(self.canonical_axis(bottom[0], axis, "reverse_param.axis") for axis in given)
        for place, axis in enumerate(self.axes):
            if axis in self.axes[:place]:
                raise LayerError(
                    f"reverse_param.axis[{place}]", given[place], "this axis is there before; turned twice, it stays"
                )
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        top[0].data[...] = np.flip(bottom[0].data, self.axes)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the top's, turned back."""
        if propagate_down[0]:
            bottom[0].diff[...] = np.flip(top[0].diff, self.axes)
