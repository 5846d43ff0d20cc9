"""Exp: a base raised to the bottom. Source: src/caffe/layers/exp_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.kernels.neuron_functions import Exp
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer, log_of_base


@register_layer("Exp")
class ExpLayer(NeuronLayer):
    """Make base ** (shift + scale * x); the base -1, which is the default, means e.

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place).

    Raises LayerError for another base that is not positive.
    """

    messages = ("exp_param",)
    formula = "y = base^({exp_param.shift:g} + {exp_param.scale:g} * x), base {exp_param.base:g} (-1: e)"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read base, scale and shift."""
        param = self.layer_param.exp_param
        log_base = log_of_base("exp_param.base", param.base)
        with np.errstate(over="ignore"):
            factor = float(np.exp(param.shift * log_base))
        self.function = Exp(factor, param.scale * log_base)
