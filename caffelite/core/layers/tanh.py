"""TanH: squashes values into -1 .. 1. Source: src/caffe/layers/tanh_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels.neuron_functions import TanH
from caffelite.core.layer import register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer


@register_layer("TanH")
class TanHLayer(NeuronLayer):
    """Make the hyperbolic tangent of each value.

    bottom[0]: any shape. top[0]: the same shape, or the bottom itself (in place).
    """

    messages = ("tanh_param",)
    formula = "y = (e^x - e^-x) / (e^x + e^-x)"
    function = TanH()
    slope_from_top = True
