"""Clip: values held between two bounds. Source: src/caffe/layers/clip_layer.cpp."""

from __future__ import annotations

from caffelite.core.kernels.neuron_functions import Clip
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer


@register_layer("Clip")
class ClipLayer(NeuronLayer):
    """Replace what is below `min` by min and what is above `max` by max; NaN becomes min.

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place, where Caffe's gradient is wrong).

    The gradient passes where min <= x <= max. As in Caffe both bounds are 0 if there is no clip_param, and all values
    become min if that is above max.
    """

    messages = ("clip_param",)
    formula = "y = min(max(x, {clip_param.min:g}), {clip_param.max:g})"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the bounds."""
        param = self.layer_param.clip_param
        self.function = Clip(param.min, param.max)
