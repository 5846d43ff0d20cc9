"""Power: a linear function of the bottom raised to a power. Source: src/caffe/layers/power_layer.cpp."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np

from caffelite.core.kernels.neuron_functions import Linear, Power, Square
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer
from caffelite.proto import caffe_pb2


@register_layer("Power")
class PowerLayer(NeuronLayer):
    """Make (shift + scale * x) ** power.

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place, where Caffe's gradient is wrong unless power is 0 or 1).

    A negative base has a power if that is a whole number, and is NaN otherwise. With power or scale 0 the top does not
    depend on the bottom: it is 1 (also 0 ** 0), or shift ** power. Where the base is 0 and power > 0, Caffe's gradient
    is NaN; here it is what the formula says, 0 for a power above 1.
    """

    messages = ("power_param",)
    formula = "y = ({power_param.shift:g} + {power_param.scale:g} * x)^{power_param.power:g}"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read power, scale and shift."""
        param = self.layer_param.power_param
        self.function = _function(param)
        self.is_constant = param.power * param.scale == 0
        self.keeps_bottom = not self.is_constant and param.power != 1

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        if self.is_constant:
            param = self.layer_param.power_param
            top[0].data.fill(_constant(param))
        else:
            super().forward(bottom, top)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Multiply the gradient by the function's slope."""
        if not self.is_constant:
            super().backward(top, propagate_down, bottom)
        elif propagate_down[0]:
            bottom[0].diff.fill(0)


def _function(param: caffe_pb2.PowerParameter) -> Any:
    if param.power == 1:
        return Linear(param.scale, param.shift)
    if param.power == 2:
        return Square(param.scale, param.shift)
    sign = {0.0: 1.0, 1.0: -1.0}.get(param.power % 2, nan)
    return Power(param.power, param.scale, param.shift, sign)


def _constant(param: caffe_pb2.PowerParameter) -> float:
    """Return what the top is where power or scale is 0, as C's pow has it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.power(param.shift, param.power))
