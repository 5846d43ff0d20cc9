"""How long each layer of a net takes."""

from __future__ import annotations

from time import perf_counter_ns

from caffelite.core.net.plan import Observer


class LayerTimes(Observer):
    """Nanoseconds that each of so many layers took, forward and backward, in all passes since the last `clear`."""

    def __init__(self, layers: int) -> None:
        self.forward = [0] * layers
        self.backward = [0] * layers
        self._began = 0

    def clear(self) -> None:
        """Begin anew."""
        self.forward = [0] * len(self.forward)
        self.backward = [0] * len(self.backward)

    def before_forward(self, index: int) -> None:
        """Start the clock."""
        self._began = perf_counter_ns()

    def after_forward(self, index: int) -> None:
        """Add what the layer took."""
        self.forward[index] += perf_counter_ns() - self._began

    def before_backward(self, index: int) -> None:
        """Start the clock."""
        self._began = perf_counter_ns()

    def after_backward(self, index: int) -> None:
        """Add what the layer took."""
        self.backward[index] += perf_counter_ns() - self._began
