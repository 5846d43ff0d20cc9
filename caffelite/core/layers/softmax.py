"""Softmax: scores to probabilities. Source: src/caffe/layers/softmax_layer.cpp."""

from __future__ import annotations

from math import prod

from caffelite.core.kernels import softmax as kernels
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Softmax")
class SoftmaxLayer(Layer):
    """Make exp(x - max) / sum(exp(x - max)) along `axis`, at each position of the other axes.

    bottom[0]: any shape with axis `axis`. top[0]: the same shape, or the bottom itself (in place).
    """

    messages = ("softmax_param",)
    formula = (
        "y[c] = e^(x[c] - max x) / sum over k < {layer.around[1]} of e^(x[k] - max x), at {layer.around[0]} "
        "x {layer.around[2]} positions"
    )
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        axis = self.canonical_axis(bottom[0], self.layer_param.softmax_param.axis, "softmax_param.axis")
        shape = bottom[0].shape
        self.around = (prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))
        top[0].reshape_like(bottom[0])

    def gradient_reads_tops(self) -> tuple[int, ...]:
        """Say that the probabilities are read."""
        return (0,)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        kernels.softmax_forward(bottom[0].data.reshape(self.around), top[0].data.reshape(self.around))

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with (dy - sum(dy * y)) * y."""
        if propagate_down[0]:
            arrays = (top[0].data, top[0].diff, bottom[0].diff)
            kernels.softmax_backward(*(array.reshape(self.around) for array in arrays))
