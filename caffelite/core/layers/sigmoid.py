"""Sigmoid: squashes values into 0 .. 1. Source: src/caffe/layers/sigmoid_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels.neuron_functions import Sigmoid
from caffelite.core.layer import register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer


@register_layer("Sigmoid")
class SigmoidLayer(NeuronLayer):
    """Make 1 / (1 + exp(-x)) of each value; 0 far below 0, as Caffe's 0.5 * tanh(0.5 * x) + 0.5.

    bottom[0]: any shape. top[0]: the same shape, or the bottom itself (in place).
    """

    messages = ("sigmoid_param",)
    formula = "y = 1 / (1 + e^-x)"
    function = Sigmoid()
    slope_from_top = True
