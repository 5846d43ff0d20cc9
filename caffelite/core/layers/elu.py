"""ELU: negative values approach -alpha. Source: src/caffe/layers/elu_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels.neuron_functions import ELU
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer
from caffelite.proto import caffe_pb2


@register_layer("ELU")
class ELULayer(NeuronLayer):
    """Keep x where it is positive, make alpha * (e ** x - 1) elsewhere; `lambda` (NVIDIA's, 1) times both.

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place, where Caffe's gradient is wrong for alpha < 0).
    """

    messages = ("elu_param",)

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula; lambda is named where it is not 1."""
        alpha, scale = self.layer_param.elu_param.alpha, scale_of(self.layer_param.elu_param)
        if scale == 1:
            return f"y = x where x > 0, else {alpha:g} * (e^x - 1)"
        return f"y = {scale:g} * x where x > 0, else {scale * alpha:g} * (e^x - 1)"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read alpha and lambda."""
        param = self.layer_param.elu_param
        self.function, self.scale = ELU(param.alpha), scale_of(param)


def scale_of(param: caffe_pb2.ELUParameter) -> float:
    """Return lambda, which is no name in Python."""
    scale: float = getattr(param, "lambda")
    return scale
