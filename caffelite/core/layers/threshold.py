"""Threshold: which values are above a bound. Source: src/caffe/layers/threshold_layer.cpp."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.kernels.neuron_functions import Threshold
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer


@register_layer("Threshold")
class ThresholdLayer(NeuronLayer):
    """Make 1 where x > threshold and 0 elsewhere.

    bottom[0]: any shape.
    top[0]:    the same shape.

    There is no gradient: backward raises LayerError if one is asked for, Caffe's whenever it runs.
    """

    messages = ("threshold_param",)
    formula = "y = 1 where x > {threshold_param.threshold:g}, else 0"
    handles_in_place = False  # in place it would hand on the gradient that it does not have
    has_backward = False
    keeps_bottom = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the threshold."""
        self.function = Threshold(self.layer_param.threshold_param.threshold)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Refuse: steps have no gradient."""
        if propagate_down[0]:
            raise LayerError(
                "propagate_down",
                "true",
                "Threshold has no gradient; keep it out of the way to the loss, or write propagate_down: false",
            )
