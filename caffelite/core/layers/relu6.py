"""ReLU6: ReLU, 6 at most. Source: eric612/MobileNet-YOLO, src/caffe/layers/relu6_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels.neuron_functions import ReLU6
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer


@register_layer("ReLU6")
class ReLU6Layer(NeuronLayer):
    """Keep x from 0 to 6, make 6 of what is above and negative_slope * x of what is below.

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place, where the fork's gradient is wrong).

    With a negative slope below 0, what would be above 6 at the left becomes 6, too, and has no gradient there; the
    fork's has one.
    """

    messages = ("relu6_param",)
    formula = "y = min(x, 6) where x > 0, else min({relu6_param.negative_slope:g} * x, 6)"
    fork = "YOLO"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the slope."""
        self.function = ReLU6(self.layer_param.relu6_param.negative_slope)
