"""A chart of a training while it runs: a file that is drawn again at every display and test."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from caffelite.core import events
from caffelite.core.errors import CaffeliteError
from caffelite.core.solver_log import LogRow, TrainingLog
from caffelite.pictures.figure import check_path, save
from caffelite.pictures.training import show_training

LOGGER = logging.getLogger("caffelite")
SHARE = 0.1  # of the time may go into drawing


class Chart:
    """A listener to a solver that keeps the picture in file `path` up to date, at most a tenth of the time.

    The last picture is always drawn. A file that cannot be written costs a warning, not the training.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raise UsageError if no picture can be written to `path`."""
        check_path(path)
        self.path = Path(path)
        self.log = TrainingLog()
        self._free_at = 0.0  # when the next picture may be drawn
        self._failed = False
        self._drawn = True  # whether the file shows all of the log

    def __call__(self, event: events.Event) -> None:
        """Take up one event."""
        if isinstance(event, events.IterationDisplayed):
            self.log.train.append(self._row(event.iter, event.loss, event.outputs))
            self._drawn = False
        elif isinstance(event, events.LearningRateDisplayed):  # the last word of a displayed iteration
            if self.log.train and self.log.train[-1].iter == event.iter:
                self.log.train[-1].lr = event.lr
            self._draw()
        elif isinstance(event, events.NetTestFinished):
            self.log.tests.setdefault(event.index, []).append(self._row(event.iter, event.loss, event.outputs))
            self._draw()
        elif isinstance(event, events.FinalLossDisplayed):
            self.log.train.append(LogRow(event.iter, loss=event.loss))
            self._drawn = False
        elif isinstance(event, events.OptimizationDone | events.OptimizationStopped):
            self.finish()

    def _row(self, iteration: int, loss: float | None, outputs: tuple[events.Output, ...]) -> LogRow:
        row = LogRow(iteration, loss=loss)
        for output in outputs:
            row.add_output(output.name, output.value)
            if output.loss_weight:
                self.log.loss_names.add(output.name)
        return row

    def finish(self) -> None:
        """Draw what is not in the file yet."""
        if not self._drawn:
            self._free_at = 0.0
            self._draw()

    def _draw(self) -> None:
        self._drawn = False
        began = time.perf_counter()
        if self._failed or began < self._free_at:
            return
        try:
            save(show_training({self.path.stem: self.log}), self.path)
        except CaffeliteError as err:
            self._failed = True
            LOGGER.warning("--chart: %s; training goes on without", err)
            return
        ended = time.perf_counter()
        self._free_at = ended + (ended - began) / SHARE
        self._drawn = True
