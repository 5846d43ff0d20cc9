"""One live line under the log on a terminal: progress, loss, newest test accuracy, images a second, time left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from caffelite.cli import below_log, streams
from caffelite.core.events import (
    Event,
    Events,
    IterationFinished,
    NetTestFinished,
    NetTestStarted,
    Output,
    SolvingStarted,
)
from caffelite.core.format import number
from caffelite.core.kernels.jit.progress import Report, watch

if TYPE_CHECKING:
    from rich.progress import Progress

SMOOTHING = 0.7  # share of the old speed in the new one


@contextmanager
def shown(events: Events, max_iter: int, images: int) -> Iterator[None]:
    """Draw the line for a solver that sends `events`, if log lines go to a terminal; they are printed above it.

    `images` is how many one iteration takes, 0 if that is not known.
    """
    if not below_log.is_drawn():
        yield
        return
    from rich.progress import TextColumn

    progress = below_log.new_progress(TextColumn("{task.description}", markup=False))
    line = LiveLine(progress, max_iter, images)
    before, watch.show = watch.show, line.show_compiling
    events.add(line)
    try:
        with below_log.drawn(progress):
            yield
    finally:
        events.remove(line)
        watch.show = before


class LiveLine:
    """Listens to a solver and redraws the line, at most eight times a second."""

    def __init__(self, progress: Progress, max_iter: int, images: int) -> None:
        self._progress = progress
        self._max_iter = max_iter
        self._images = images
        self._task = progress.add_task("starting", total=max_iter)
        self._test = ""
        self._drawn = self._started = (time.perf_counter(), 0)
        self._running = False
        self._speed = 0.0
        self._shown = (0, "starting")  # iterations done, text

    def __call__(self, event: Event) -> None:
        """Take up one event."""
        if isinstance(event, IterationFinished):
            if not self._running:  # the first iteration also compiled: the clock starts behind it
                self._running = True
                self._drawn = self._started = (time.perf_counter(), event.iter)
            elif time.perf_counter() - self._drawn[0] >= below_log.REDRAW:
                self._draw(event)
        elif isinstance(event, NetTestFinished):
            self._test = newest_result(event.outputs)
            self._show(event.iter, "  ".join(filter(None, (f"{event.iter}/{self._max_iter}", self._test))))
        elif isinstance(event, SolvingStarted):
            self._show(event.iter, f"iteration {event.iter}")
        elif isinstance(event, NetTestStarted):
            self._show(event.iter, f"iteration {event.iter}, testing net #{event.index}")

    def _draw(self, event: IterationFinished) -> None:
        now = time.perf_counter()
        speed = (event.iter - self._drawn[1]) / (now - self._drawn[0])
        self._speed = SMOOTHING * self._speed + (1 - SMOOTHING) * speed if self._speed else speed
        self._drawn = now, event.iter
        per_iteration = (now - self._started[0]) / (event.iter - self._started[1])  # with its share of the tests
        parts = [
            f"{event.iter}/{self._max_iter}",
            f"loss {number(event.smoothed_loss)}",
            self._test,
            f"{self._speed * self._images:.0f} images/s" if self._images else f"{self._speed:.1f} iter/s",
            f"{timedelta(seconds=round(per_iteration * (self._max_iter - event.iter)))} left",
        ]
        self._show(event.iter, "  ".join(filter(None, parts)))

    def show_compiling(self, report: Report) -> None:
        """Say in the line that kernels are compiled; called by another thread."""
        completed, text = self._shown
        self._redraw(completed, text if report.done else str(report))

    def _show(self, completed: int, text: str) -> None:
        self._shown = completed, text
        self._redraw(completed, text)

    def _redraw(self, completed: int, text: str) -> None:
        self._progress.update(self._task, completed=completed, description=text)
        with streams.stderr_may_fail():
            self._progress.refresh()


def newest_result(outputs: tuple[Output, ...]) -> str:
    """Return the figure of a test that people look at: an accuracy, else the first loss, else nothing."""
    for wanted in (lambda output: "acc" in output.name.lower(), lambda output: output.loss_weight != 0):
        for output in filter(wanted, outputs):
            return f"test {output.name} {number(output.value)}"
    return ""
