"""ReLU: what is negative becomes 0, or a share of itself. Source: src/caffe/layers/relu_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels import relu as kernels
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.shared.kept_bottom import KeptBottom


@register_layer("ReLU")
class ReLULayer(Layer):
    """Keep x where it is positive, multiply it by negative_slope elsewhere.

    bottom[0]: any shape. top[0]: the same shape, or the bottom itself (in place).

    In place with a negative slope, where the sign of the top no longer tells that of the bottom, a copy of the bottom
    is kept; Caffe's gradient is wrong there.
    """

    messages = ("relu_param",)
    formula = "y = x where x > 0, else {relu_param.negative_slope:g} * x"
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the slope."""
        self.negative_slope = self.layer_param.relu_param.negative_slope

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        top[0].reshape_like(bottom[0])
        self._kept = KeptBottom(self, bottom, top, wanted=self.negative_slope < 0)
        self._reads_top = top[0] is bottom[0] and self.negative_slope >= 0

    def gradient_reads_tops(self) -> tuple[int, ...]:
        """Tell whether the signs are those of the top: in place they are, unless the slope is negative."""
        return (0,) if self._reads_top else ()

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        self._kept.fill(bottom)
        kernels.relu_forward(bottom[0].data, self.negative_slope, top[0].data)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Pass the gradient on where the bottom was positive, a share of it elsewhere."""
        if propagate_down[0]:
            kernels.relu_backward(self._kept.data(bottom), self.negative_slope, top[0].diff, bottom[0].diff)
