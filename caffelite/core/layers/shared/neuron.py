"""What layers share whose top is a function of the bottom, element by element."""

from __future__ import annotations

from math import inf, log
from typing import Any

from caffelite.core.errors import LayerError
from caffelite.core.kernels import neuron_functions
from caffelite.core.layer import Blobs, Layer
from caffelite.core.layers.shared.kept_bottom import KeptBottom


class NeuronLayer(Layer):
    """Base of the layers that apply one function to each element.

    A subclass, or its `setup`, sets `function`. Gradients are made from the bottom alone, so that a layer that
    overwrites the top does no harm. A layer that works in place keeps a copy of the bottom for them, unless it sets
    `keeps_bottom` to false: its gradient does not depend on the bottom. `scale` times the function's values is the top.
    With `slope_from_top` gradients are made from
    the top instead, as Caffe makes them: that is much less work, and needs no copy.
    """

    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    function: Any
    keeps_bottom = True
    slope_from_top = False
    scale = 1.0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        top[0].reshape_like(bottom[0])
        self._kept = KeptBottom(self, bottom, top, wanted=self.keeps_bottom and not self.slope_from_top)

    def gradient_reads_tops(self) -> tuple[int, ...]:
        """Tell whether the top is read."""
        return (0,) if self.slope_from_top else ()

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        neuron_functions.forward(self.function, bottom[0].data, self._kept.data(bottom), top[0].data)
        if self.scale != 1:
            top[0].data[...] *= self.dtype.type(self.scale)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Multiply the gradient by the function's slope."""
        if propagate_down[0]:
            known = top[0].data if self.slope_from_top else self._kept.data(bottom)
            neuron_functions.backward(self.function, known, top[0].diff, bottom[0].diff)
            if self.scale != 1:
                bottom[0].diff[...] *= self.dtype.type(self.scale)


def log_of_base(field: str, base: float) -> float:
    """Return the natural logarithm of the base of an Exp or Log layer, 1 for -1; LayerError unless it is finite."""
    if base == -1:
        return 1.0
    if not 0 < base < inf:
        raise LayerError(field, f"{base:g}", "use -1 for e, or a positive number such as 2 or 10")
    return log(base)
