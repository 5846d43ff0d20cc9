"""The figures of a training, gathered from the solver's events: losses of all iterations, few enough to be drawn."""

from __future__ import annotations

from caffelite.core import events
from caffelite.core.solver_log import LogRow, TrainingLog

MOST_ROWS = 2000  # twice what a picture can show
DONE, STOPPED, RUNNING = "done", "stopped", "running"


class RunLog:
    """A listener to a solver. Of long trainings it keeps every 2nd, 4th, 8th, ... iteration, so that it stays small.

    max_iter and first_iter are those of `solve`; iter is the number of updates done. seed, snapshots (their model
    files) and status are what the events told until now.
    """

    def __init__(self) -> None:
        self.max_iter = self.first_iter = self.iter = 0
        self.loss: float | None = None  # smoothed, of the last iteration
        self.status = RUNNING
        self.snapshots: list[str] = []
        self.tests: dict[int, list[LogRow]] = {}
        self._losses = _Thinned()
        self._outputs = _Thinned()  # of the displayed iterations
        self._loss_names: set[str] = set()

    def __call__(self, event: events.Event) -> None:
        """Take up one event."""
        if isinstance(event, events.IterationFinished):
            self.iter, self.loss = event.iter, event.smoothed_loss
            self._losses.add(LogRow(event.iter - 1, loss=event.smoothed_loss, lr=event.lr))
        elif isinstance(event, events.IterationDisplayed):
            self._outputs.add(self._row(event.iter, None, event.outputs))
        elif isinstance(event, events.NetTestFinished):
            self.tests.setdefault(event.index, []).append(self._row(event.iter, event.loss, event.outputs))
        elif isinstance(event, events.SnapshotWritten):
            self.snapshots.append(event.model_file)
        elif isinstance(event, events.SolvingStarted):
            self.first_iter = self.iter = event.iter
            self.max_iter = event.max_iter
        elif isinstance(event, events.OptimizationDone):
            self.status = DONE
        elif isinstance(event, events.OptimizationStopped):
            self.status = STOPPED

    def _row(self, iteration: int, loss: float | None, outputs: tuple[events.Output, ...]) -> LogRow:
        row = LogRow(iteration, loss=loss)
        for output in outputs:
            row.add_output(output.name, output.value)
            if output.loss_weight:
                self._loss_names.add(output.name)
        return row

    def training_log(self) -> TrainingLog:
        """Return what was gathered as a log that can be drawn."""
        rows = sorted([*self._losses.all(), *self._outputs.all()], key=lambda row: row.iter)
        return TrainingLog(rows, self.tests, set(self._loss_names))


class _Thinned:
    """Rows one after the other, at most MOST_ROWS: when there are more, every second one is dropped; and the last."""

    def __init__(self) -> None:
        self._rows: list[LogRow] = []
        self._last: LogRow | None = None
        self._step = 1
        self._added = 0

    def add(self, row: LogRow) -> None:
        self._last = row
        if self._added % self._step == 0:
            self._rows.append(row)
            if len(self._rows) > MOST_ROWS:
                self._rows = self._rows[::2]
                self._step *= 2
        self._added += 1

    def all(self) -> list[LogRow]:
        """Return the rows, the newest among them."""
        is_last = not self._rows or self._rows[-1] is self._last
        return self._rows if is_last or self._last is None else [*self._rows, self._last]
