"""BNLL: a soft rectifier. Source: src/caffe/layers/bnll_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels.neuron_functions import BNLL
from caffelite.core.layer import register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer


@register_layer("BNLL")
class BNLLLayer(NeuronLayer):
    """Make log(1 + e ** x).

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place, where Caffe's gradient is wrong).
    """

    messages = ()
    formula = "y = log(1 + e^x)"
    function = BNLL()
