"""The figures a solver shows: the smoothed loss, the speed, and the values of outputs. Source: src/caffe/solver.cpp."""

from __future__ import annotations

import time
from collections.abc import Iterable

from caffelite.core.blob import Array
from caffelite.core.events import Events, IterationDisplayed, Output


class Display:
    """Smooths the loss over `average_loss` iterations and measures the time between displayed ones."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._shown_at: float | None = None
        self._shown_iter: int | None = None
        self._average, self._losses, self._slot, self._smoothed = 1, list[float](), 0, 0.0

    def restart(self, average_loss: int) -> None:
        """Forget the losses, as each `step` does; the clock, once started, goes on."""
        self._average, self._losses, self._slot, self._smoothed = average_loss, [], 0, 0.0
        if self._shown_at is None:
            self._shown_at = time.perf_counter()

    def smooth(self, loss: float) -> float:
        """Take up the loss of one more iteration; return the mean over the window."""
        if len(self._losses) < self._average:
            self._losses.append(loss)
            size = len(self._losses)
            self._smoothed = (self._smoothed * (size - 1) + loss) / size
        else:
            self._smoothed += (loss - self._losses[self._slot]) / self._average
            self._losses[self._slot] = loss
        self._slot = (self._slot + 1) % self._average
        return self._smoothed

    def show(self, iteration: int, loss: float, outputs: tuple[Output, ...], display: int) -> None:
        """Send the event of a displayed iteration."""
        now = time.perf_counter()
        seconds = 0.0 if self._shown_at is None else now - self._shown_at
        done = 0 if self._shown_iter is None else iteration - self._shown_iter
        self._shown_at, self._shown_iter = now, iteration
        speed = done / seconds if seconds else float(done)
        self._events.send(IterationDisplayed(iteration, loss, outputs, seconds, speed, display))


def outputs_of(values: Iterable[tuple[str, float, Array]]) -> tuple[Output, ...]:
    """Return every element of every output blob, of each of which name, loss weight and values are given."""
    return tuple(
        Output(name, value, loss_weight) for name, loss_weight, elements in values for value in elements.tolist()
    )
