"""Statistics: what activations, gradients, weights and updates are like, layer by layer, now or while a solver runs."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array, Blob
from caffelite.core.errors import UsageError, printable
from caffelite.core.events import Event, IterationFinished
from caffelite.core.figures import BLOCK, Figures, figures_of
from caffelite.core.net.net import Net
from caffelite.core.net.plan import Observer
from caffelite.core.solver.solver import Solver
from caffelite.core.tables import aligned, html_table

HEAD = ("layer", "blob", "what", "mean", "std", "smallest", "largest", "zeros", "ratio")
NUMBERS = (3, 4, 5, 6, 7, 8)
FIELDS = ("iter", *HEAD)  # of a CSV file


class Row(NamedTuple):
    """Figures of one array. blob is a top's name, or a parameter such as "conv1[0]".

    what: "activation" (data of a top), "gradient" (its diff), "weight" (data of a parameter), "weight gradient", and
    "update", what the solver subtracted from the weight. ratio: of updates the L2 norm over that of the weight.
    """

    layer: str
    blob: str
    what: str
    figures: Figures
    ratio: float | None = None

    def cells(self) -> list[str]:
        """Return the cells of the table."""
        return [*self[:3], *self.figures.cells(), "-" if self.ratio is None else f"{self.ratio:.3g}"]


class Table:
    """Rows of one moment, as text, as a table in notebooks, and as a list."""

    def __init__(self, rows: Iterable[Row], title: str = "") -> None:
        self.rows, self.title = list(rows), title

    def of(self, what: str) -> dict[str, Row]:
        """Return the rows of one kind ("activation", ...) by their blobs."""
        return {row.blob: row for row in self.rows if row.what == what}

    def __str__(self) -> str:
        lines = aligned([HEAD, *(row.cells() for row in self.rows)], NUMBERS)
        return printable("\n".join([self.title, *lines] if self.title else lines))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return html_table([HEAD, *(row.cells() for row in self.rows)], NUMBERS, caption=self.title)


def statistics(net: Net) -> Table:
    """Return the figures of the tops and parameters of a net and of their diffs, as the last passes left them.

    A blob that several layers work on in place stands with the last of them, whose values it holds. Blobs whose memory
    was never made, and those that the plan does not fill, are left out. Behind a solver's step the diffs of parameters
    are the updates that it made.
    """
    rows: dict[tuple[str, str], Row] = {}
    unfilled = {id(blob) for run in net.plan.runs for blob in run.inner if not blob.pinned}
    for index in _written(net):
        layer = net.layer_names[index]
        for name, blob in net.tops(index):
            if id(blob) in unfilled:
                continue
            for what, array in (("activation", _made(blob, "data")), ("gradient", _made(blob, "diff"))):
                rows.pop((name, what), None)
                if array is not None:
                    rows[name, what] = Row(layer, name, what, figures_of(array))
        for name, blob in _params(net, index):
            rows[name, "weight"] = Row(layer, name, "weight", figures_of(blob.data))
            rows[name, "weight gradient"] = Row(layer, name, "weight gradient", figures_of(blob.diff))
    return Table(rows.values())


def _made(blob: Blob, part: str) -> Array | None:
    """Return data or diff of a blob; None if nobody asked for it yet, since it would be all zeros, and take memory."""
    if not blob.count or getattr(blob, f"_{part}") is None:
        return None
    array: Array = getattr(blob, part)
    return array


class Statistics(Observer):
    """Looks at every `every`-th iteration of a solver, the first one at once, and keeps the tables.

    Each activation is seen as its layer made it, also where another layer works on it in place. With `file` each table
    is also added to a CSV file: a line for each row, its columns FIELDS. Looking costs time in these iterations only.

    Raises UsageError for an `every` below 1, and for a file that is there and holds something else.
    """

    def __init__(self, solver: Solver, every: int = 100, file: str | os.PathLike[str] | None = None) -> None:
        if every < 1:
            raise UsageError(f"every is {every}; use 1 or more iterations")
        self.solver, self.every = solver, every
        self.file = None if file is None else Path(file)
        self.tables: dict[int, Table] = {}  # by iteration
        self._rows: dict[tuple[str, str, str], Row] = {}
        self._layers = set(_written(solver.net))
        self._looking = False
        if self.file is not None:
            _begin(self.file)
        solver.add_callback(self._start, self._gradients_ready)
        solver.events.add(self._finished)

    @property
    def last(self) -> Table:
        """The newest table; empty before the first one."""
        return next(reversed(self.tables.values()), Table([]))

    def _start(self) -> None:
        self._stop_looking()  # an iteration that ended with an error left it on
        self._looking = self.solver.iter % self.every == 0
        if self._looking:
            self._rows = {}
            self.solver.net.plan.observers.append(self)

    def _stop_looking(self) -> None:
        observers = self.solver.net.plan.observers
        observers[:] = [other for other in observers if other is not self]

    def after_forward(self, index: int) -> None:
        """Look at what the layer made; of several batches (iter_size) the last one stays."""
        self._look_at_tops(index, "activation", "data")

    def before_backward(self, index: int) -> None:
        """Look at the gradients that the layer is about to send on."""
        if self.solver.net.plan.layer_steps[index].need_backward:
            self._look_at_tops(index, "gradient", "diff")

    def _look_at_tops(self, index: int, what: str, part: str) -> None:
        if index in self._layers:
            net = self.solver.net
            for name, blob in net.tops(index):
                self._add(Row(net.layer_names[index], name, what, figures_of(getattr(blob, part))))

    def _add(self, row: Row) -> None:
        self._rows[row[:3]] = row

    def _gradients_ready(self) -> None:
        if not self._looking:
            return
        self._stop_looking()
        net, batches = self.solver.net, self.solver.param.iter_size
        for index in sorted(self._layers):
            for name, blob in _params(net, index):
                self._add(Row(net.layer_names[index], name, "weight", figures_of(blob.data)))
                gradient = blob.diff if batches == 1 else blob.diff / batches
                self._add(Row(net.layer_names[index], name, "weight gradient", figures_of(gradient)))

    def _finished(self, event: Event) -> None:
        if not isinstance(event, IterationFinished) or not self._looking:
            return
        self._looking = False
        net, iteration = self.solver.net, event.iter - 1
        learned = {id(param.blob) for param in net.learnable_params if param.lr_mult}
        for index in sorted(self._layers):
            for name, blob in _params(net, index):
                if id(blob) in learned:
                    figures = figures_of(blob.diff)
                    self._add(Row(net.layer_names[index], name, "update", figures, _ratio(blob)))
        places = {name: number for number, name in enumerate(net.layer_names)}
        rows = sorted(self._rows.values(), key=lambda row: places[row.layer])
        self.tables[iteration] = Table(rows, f"iteration {iteration}")
        if self.file is not None:
            _append(self.file, iteration, rows)


def _written(net: Net) -> list[int]:
    """Return the numbers of the layers that the user wrote."""
    return [node.index for node in net.graph().nodes]


def _params(net: Net, index: int) -> list[tuple[str, Blob]]:
    """Return name and blob of the parameters that the layer shares with no earlier one."""
    layer = net.core_layers[index]
    return [(f"{layer.name}[{n}]", blob) for n, blob in enumerate(layer.blobs) if net.owns_param(index, n)]


def _ratio(blob: Blob) -> float:
    """Return the norm of the update over that of the weight before it; infinite for a weight of zeros."""
    data, diff = blob.data.reshape(-1), blob.diff.reshape(-1)
    before = update = 0.0
    for start in range(0, data.size, BLOCK):
        part = diff[start : start + BLOCK].astype(np.float64)
        weight = data[start : start + BLOCK] + part
        before, update = before + float(weight @ weight), update + float(part @ part)
    return math.sqrt(update / before) if before else math.inf if update else 0.0


def _begin(file: Path) -> None:
    """Write the first line, unless the file has it; UsageError if it holds something else, or cannot be written."""
    head = ",".join(FIELDS)
    try:
        with file.open("a+", encoding="utf-8", newline="") as opened:
            opened.seek(0)
            first = opened.readline(1000).rstrip("\r\n")
            if not first:
                opened.write(head + "\n")
            elif first != head:
                raise UsageError(f"{file} is there, and no table of statistics; name another file")
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(f"{file} cannot be written: {getattr(err, 'strerror', None) or err}") from None


def _append(file: Path, iteration: int, rows: Iterable[Row]) -> None:
    with file.open("a", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        for row in rows:
            ratio = "" if row.ratio is None else f"{row.ratio:.9g}"
            writer.writerow([iteration, *row[:3], *(f"{value:.9g}" for value in row.figures), ratio])
