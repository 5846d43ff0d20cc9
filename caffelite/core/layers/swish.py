"""Swish: x times its own sigmoid. Source: src/caffe/layers/swish_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels.neuron_functions import Swish
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer


@register_layer("Swish")
class SwishLayer(NeuronLayer):
    """Make x / (1 + e ** (-beta * x)).

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place).
    """

    messages = ("swish_param",)
    formula = "y = x / (1 + e^(-{swish_param.beta:g} * x))"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read beta."""
        self.function = Swish(self.layer_param.swish_param.beta)
