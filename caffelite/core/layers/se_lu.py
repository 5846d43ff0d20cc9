"""SeLu: an ELU whose constants keep mean 0 and variance 1. Source: Klambauer et al. 2017, as in soeaver/caffe-model."""

from __future__ import annotations

from typing import ClassVar

from caffelite.core.kernels.neuron_functions import ELU
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.neuron import NeuronLayer

SCALE = 1.0507009873554805
ALPHA = 1.6732632423543772


@register_layer("SeLu")
class SeLuLayer(NeuronLayer):
    """Make 1.0507 * x where x is positive, 1.0507 * 1.67326 * (e ** x - 1) elsewhere.

    bottom[0]: any shape.
    top[0]:    the same shape, or the bottom itself (in place).
    """

    messages = ()
    fork: ClassVar[str] = "soeaver/caffe-model"
    formula = "y = 1.0507 * x where x > 0, else 1.7581 * (e^x - 1)"
    scale = SCALE

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Take alpha."""
        self.function = ELU(ALPHA)
