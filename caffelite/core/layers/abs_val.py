"""AbsVal: what is negative changes its sign. Source: src/caffe/layers/absval_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels.neuron_functions import AbsVal
from caffelite.core.layer import register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer


@register_layer("AbsVal")
class AbsValLayer(NeuronLayer):
    """Make |x|.

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place, which Caffe refuses).

    The gradient at 0 is 0.
    """

    messages = ()
    formula = "y = |x|"
    function = AbsVal()
