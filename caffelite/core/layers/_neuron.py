"""What layers share whose top is a function of the bottom, element by element."""

from __future__ import annotations

from math import inf, log
from typing import Any

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.kernels import functions
from caffelite.core.layer import Blobs, Layer


class NeuronLayer(Layer):
    """Base of the layers that apply one function to each element.

    `setup` of a subclass sets `function`. Gradients are made from the bottom alone, so that a layer that overwrites the
    top does no harm. A layer that works in place keeps a copy of the bottom for them, unless it sets `keeps_bottom` to
    false: its gradient does not depend on the bottom.
    """

    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    function: Any
    keeps_bottom = True

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        top[0].reshape_like(bottom[0])
        self._copy = None
        if top[0] is bottom[0] and self.keeps_bottom:
            self._copy = self.new_blob(bottom[0].shape)

    def _kept(self, bottom: Blobs) -> Array:
        """Where the bottom's values are after the top was filled."""
        return bottom[0].data if self._copy is None else self._copy.data

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        functions.forward(self.function, bottom[0].data, self._kept(bottom), top[0].data)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Multiply the gradient by the function's slope."""
        if propagate_down[0]:
            functions.backward(self.function, self._kept(bottom), top[0].diff, bottom[0].diff)


def log_of_base(field: str, base: float) -> float:
    """Return the natural logarithm of the base of an Exp or Log layer, 1 for -1; LayerError unless it is finite."""
    if base == -1:
        return 1.0
    if not 0 < base < inf:
        raise LayerError(field, f"{base:g}", "use -1 for e, or a positive number such as 2 or 10")
    return log(base)
