"""BReLU: values held between two bounds. Source: the paper of DehazeNet, Cai et al. 2016, section III.C."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.kernels.neuron_functions import BReLU
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer


@register_layer("BReLU")
class BReLULayer(NeuronLayer):
    """Make `minval` of what is below and `maxval` of what is above; NaN stays. Without them: 0 and 1.

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place).

    The gradient passes where minval < x < maxval; Clip's passes at the bounds, too. Raises LayerError if minval is
    above maxval.
    """

    messages = ("brelu_param",)
    formula = "y = min(max(x, {brelu_param.minval:g}), {brelu_param.maxval:g})"
    fork = "DehazeNet"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the bounds."""
        param = self.layer_param.brelu_param
        if not param.minval <= param.maxval:
            raise LayerError(
                "brelu_param.minval", f"{param.minval:g}", f"it must not be above maxval, which is {param.maxval:g}"
            )
        self.function = BReLU(param.minval, param.maxval)
