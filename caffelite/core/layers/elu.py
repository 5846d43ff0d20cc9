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
        param = self.layer_param.elu_param
        if self.scale == 1:
            return f"y = x where x > 0, else {param.alpha:g} * (e^x - 1)"
        return f"y = {self.scale:g} * x where x > 0, else {self.scale * param.alpha:g} * (e^x - 1)"

    @property
    def scale(self) -> float:
        """What the values are multiplied by."""
        return scale_of(self.layer_param.elu_param)

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read alpha."""
        self.function = ELU(self.layer_param.elu_param.alpha)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        super().forward(bottom, top)
        if self.scale != 1:
            top[0].data[...] *= self.dtype.type(self.scale)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Multiply the gradient by the function's slope."""
        super().backward(top, propagate_down, bottom)
        if propagate_down[0] and self.scale != 1:
            bottom[0].diff[...] *= self.dtype.type(self.scale)


def scale_of(param: caffe_pb2.ELUParameter) -> float:
    """Return lambda, which is no name in Python."""
    scale: float = getattr(param, "lambda")
    return scale
