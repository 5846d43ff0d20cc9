"""Sigmoid: squashes values into 0 .. 1. Source: src/caffe/layers/sigmoid_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels import neuron as kernels
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Sigmoid")
class SigmoidLayer(Layer):
    """Make 1 / (1 + exp(-x)) of each value, computed as 0.5 * tanh(0.5 * x) + 0.5.

    bottom[0]: any shape. top[0]: the same shape, or the bottom itself (in place).
    """

    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        kernels.sigmoid_forward(bottom[0].data, top[0].data)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with dy * y * (1 - y)."""
        if propagate_down[0]:
            kernels.sigmoid_backward(top[0].data, top[0].diff, bottom[0].diff)
