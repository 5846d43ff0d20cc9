"""Log: the logarithm of the bottom. Source: src/caffe/layers/log_layer.cpp."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.kernels.neuron_functions import Log
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer, log_of_base


@register_layer("Log")
class LogLayer(NeuronLayer):
    """Make the logarithm of shift + scale * x; the base -1, which is the default, means e.

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place, where Caffe's gradient is wrong).

    The logarithm of 0 is -infinity, of negative numbers NaN. Raises LayerError for the base 1, or another base that is
    not positive.
    """

    messages = ("log_param",)
    formula = "y = log({log_param.shift:g} + {log_param.scale:g} * x) to base {log_param.base:g} (-1: e)"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read base, scale and shift."""
        param = self.layer_param.log_param
        log_base = log_of_base("log_param.base", param.base)
        if log_base == 0:
            raise LayerError("log_param.base", "1", "there is no logarithm to base 1; use -1 for e, or 2, 10, ...")
        self.function = Log(1 / log_base, param.scale, param.shift)
