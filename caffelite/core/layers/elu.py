"""ELU: negative values approach -alpha. Source: src/caffe/layers/elu_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels.neuron_functions import ELU
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer


@register_layer("ELU")
class ELULayer(NeuronLayer):
    """Keep x where it is positive, make alpha * (e ** x - 1) elsewhere.

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place, where Caffe's gradient is wrong for alpha < 0).
    """

    messages = ("elu_param",)
    formula = "y = x where x > 0, else {elu_param.alpha:g} * (e^x - 1)"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read alpha."""
        self.function = ELU(self.layer_param.elu_param.alpha)
