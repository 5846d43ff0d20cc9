"""The report of a training: its curves, the net, its first filters before and after, and all that it was made from."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from caffelite.core import events
from caffelite.core.errors import CaffeliteError
from caffelite.core.format import message_text, number
from caffelite.core.net.reading import readers, skipped_texts
from caffelite.core.prototxt.parse import read_text
from caffelite.core.solver.solver import Solver
from caffelite.core.solver_log import LogRow
from caffelite.inspection.summary import HEAD, summary
from caffelite.pictures.training import ACCURACY
from caffelite.reports import net_pictures
from caffelite.reports.page import Html, fill, joined, table, write_page
from caffelite.reports.run_log import DONE, RUNNING, STOPPED, RunLog

LOGGER = logging.getLogger("caffelite")
SHARE = 0.02  # of the time may go into writing
FIRST_AFTER = 30.0  # seconds; a short training is written when it has ended
MOST_LETTERS = 200_000  # of one file
NET_FIELDS = ("net", "train_net", "test_net")
Facts = Sequence[tuple[str, object]]


class TrainingReport:
    """Listens to a solver from before it solves, and writes the page at `path`, again and again; `finish` is the end.

    It only reads: nothing that is trained changes. A page that cannot be written costs a warning, not the training.
    `facts` say where it is trained, in the order in which they are shown.
    """

    def __init__(self, path: str | os.PathLike[str], solver: Solver, facts: Facts) -> None:
        self.path, self.facts = Path(path), facts
        self.run = RunLog()
        self._solver = solver
        self._began = self._free_at = time.perf_counter()
        self._free_at += FIRST_AFTER
        self._began_at = time.time()
        self._failed = False
        self._before: tuple[str, Html] | None = None
        self._error = ""
        self._fixed: Html | None = None  # what does not change while training
        self._texts = _texts(solver)
        solver.events.add(self)

    def __call__(self, event: events.Event) -> None:
        """Take up one event."""
        self.run(event)
        if isinstance(event, events.SolvingStarted):
            self._before = net_pictures.first_filters(self._solver.net)
        elif isinstance(event, events.IterationFinished):
            if time.perf_counter() >= self._free_at:
                self._write()

    def finish(self, error: str = "") -> None:
        """Write what came of the training; `error` is why it ended early, if it failed."""
        self._error = error
        self._write()
        if not self._failed:
            LOGGER.info("Wrote the report %s", self.path)

    def _write(self) -> None:
        if self._failed:
            return
        began = time.perf_counter()
        try:
            name = self._solver.net.name or "Net"
            write_page(self.path, f"{name}: training report", self._subtitle(), self._body())
        except (CaffeliteError, MemoryError) as err:
            self._failed = True
            LOGGER.warning("--report: %s; training goes on without", str(err) or "out of memory")
            return
        ended = time.perf_counter()
        self._free_at = ended + (ended - began) / SHARE

    def _subtitle(self) -> str:
        run = self.run
        state = {
            DONE: "trained to the end",
            STOPPED: f"stopped at iteration {run.iter:,} of {run.max_iter:,}",
            RUNNING: f"running, iteration {run.iter:,} of {run.max_iter:,}",
        }[run.status]
        if self._error:
            state = f"failed at iteration {run.iter:,} of {run.max_iter:,}"
        return f"{state}; begun {_moment(self._began_at)}, this page is of {_moment(time.time())}"

    def _body(self) -> Html:
        parts = [self._tiles()]
        if self._error:
            parts.append(_section("error", "Why it ended", "", Html(fill("pre.html", text=self._error))))
        parts += [self._curves(), self._filters()]
        if self._fixed is None:
            self._fixed = joined([self._net(), self._files()])
        return joined([*parts, self._fixed, self._origin()])

    def _tiles(self) -> Html:
        run = self.run
        seconds = time.perf_counter() - self._began
        done = run.iter - run.first_iter
        tiles = [(f"{run.iter:,}", "iterations" if not run.first_iter else f"iterations, from {run.first_iter:,} on")]
        if run.loss is not None:
            tiles.append((number(run.loss), "training loss, smoothed" if self._averages else "training loss"))
        for row, name, value in newest_tests(run):
            tiles.append((number(value), f"test {name} at {row.iter:,}"))
        tiles.append((str(timedelta(seconds=round(seconds))), "time, tests included"))
        if done:
            tiles.append((f"{done / seconds:.3g}", "iterations a second"))
        return Html(f'<div class="tiles">{joined(fill("tile.html", value=v, label=name) for v, name in tiles)}</div>')

    @property
    def _averages(self) -> bool:
        return bool(self._solver.param.average_loss > 1)

    def _curves(self) -> Html:
        log = self.run.training_log()
        if not log.train and not log.tests:
            return _section("curves", "Curves", "No iteration was made.", Html())
        note = "Thin: training, of each iteration. Dots: tests."
        return _section("curves", "Curves", note, net_pictures.curves(log))

    def _filters(self) -> Html:
        after = net_pictures.first_filters(self._solver.net)
        if self._before is None or after is None:
            return Html()
        figures = joined(
            Html(f"<figure><h3>{when}</h3>{picture}</figure>")
            for when, picture in (("before", self._before[1]), ("after", after[1]))
        )
        content = Html(f'<div class="filters">{figures}</div>')
        note = f"Layer {after[0]}, at iterations {self.run.first_iter:,} and {self.run.iter:,}; each on its own scale."
        return _section("filters", "The first filters", note, content)

    def _net(self) -> Html:
        net = self._solver.net
        found = summary(net)
        rows = [layer.row() for layer in found.layers]
        layers = joined([table(HEAD, rows, words=(0, 1, 2)), fill("pre.html", text="\n".join(found.totals()))])
        note = "The net in phase TRAIN, with the shapes of its blobs."
        try:
            drawn = net_pictures.graph(net)
        except CaffeliteError as err:
            drawn, note = Html(), f"{note} It is not drawn: {err}."
        parts = [drawn, fill("fold.html", state="", summary="The layers as a table", content=layers)]
        return _section("net", "The net", note, joined(parts))

    def _files(self) -> Html:
        folds = [
            fill("fold.html", state="", summary=name, content=fill("pre.html", text=_cut(text)))
            for name, text in self._texts
        ]
        note = "The files as they were when the training began, and the parameters that it was made with."
        return _section("files", "The files", note, joined(folds))

    def _origin(self) -> Html:
        facts = [*self.facts, ("seed", self._solver.seed), ("began", _moment(self._began_at))]
        layers = readers(self._solver.nets)
        facts += [("records", text) for text in skipped_texts(layers)]
        if self._solver.reading_log.text:
            facts.append(("waiting", self._solver.reading_log.text))
        rows = [*facts, *(("snapshot", name) for name in self.run.snapshots)]
        return _section("origin", "Where it comes from", "", table((), rows, words=(0, 1)))


def newest_tests(run: RunLog) -> list[tuple[LogRow, str, float]]:
    """Return row, name and value of the newest accuracy of each test net, or of its first output if it has none."""
    found = []
    for index, rows in sorted(run.tests.items()):
        row = rows[-1]
        names = [name for name in row.outputs if ACCURACY.search(name)] or list(row.outputs)
        for name in names[:1]:
            found.append((row, name if len(run.tests) == 1 else f"#{index} {name}", row.outputs[name]))
    return found


def _section(name: str, heading: str, note: str, content: Html) -> Html:
    return fill("section.html", name=name, heading=heading, note=note, content=content)


def _texts(solver: Solver) -> list[tuple[str, str]]:
    """Return name and text of the files that the solver is made from, and of its parameters as they are used."""
    file = solver.file
    paths = [file.path] if file.path is not None else []
    for field in NET_FIELDS:
        value = getattr(file.param, field)
        names = [value] if isinstance(value, str) else value
        paths += [file.find(field, name) for name in names if name]
    texts = [(str(path), read_text(path)) for path in dict.fromkeys(paths)]
    return [*texts, ("the solver's parameters as they were used", str(message_text(file.param)))]


def _cut(text: str) -> str:
    if len(text) <= MOST_LETTERS:
        return text
    return f"{text[:MOST_LETTERS]}\n... ({len(text) - MOST_LETTERS:,} more characters)"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
