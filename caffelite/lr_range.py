"""lr_find: a range test of the learning rate, from a solver or its file."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from caffelite.core.format import number
from caffelite.core.solver.file import SolverFile, solver_file
from caffelite.core.solver.range_test import END, ITERATIONS, START, RangeTest, range_test
from caffelite.core.solver.solver import Solver
from caffelite.proto.caffe_pb2 import SolverParameter
from caffelite.pycaffe_solver import get_solver

if TYPE_CHECKING:
    from caffelite.pictures.figure import Picture

ROWS = 25  # of the table, about

# What a range test does without: tests, and whatever is written or decided while training.
_LEFT_OUT = (
    *("test_iter", "test_interval", "test_net", "test_net_param", "test_state", "snapshot", "lr_warmup"),
    *("early_stopping", "best_snapshot", "lr_plateau", "lr_piece"),
)


class LrFind(RangeTest):
    """What lr_find found: `lrs`, `losses`, `smoothed`, `end`, `suggested` and `reason`; str() is the table."""

    def show(self) -> Picture:
        """Return a picture of the losses over the rates. Raises UsageError if matplotlib is not installed."""
        from caffelite.pictures import require_matplotlib

        require_matplotlib()
        from caffelite.pictures.lr_range import show_lr_range

        return show_lr_range(self.lrs, self.losses, self.smoothed, self.suggested)

    def __str__(self) -> str:
        """Return the table, not more than about 25 rows of it, and the suggestion."""
        count = len(self.lrs)
        marks = {self.lowest: "  lowest"} if math.isfinite(self.smoothed[self.lowest]) else {}
        if self.suggested in self.lrs:
            marks[self.lrs.index(self.suggested)] = "  suggested"
        shown = sorted({*range(0, count, -(-count // ROWS)), *marks, count - 1})
        rows = [f"{'iteration':>9}  {'rate':>10}  {'loss':>10}  {'smoothed':>10}"]
        for i in shown:
            values = (f"{self.lrs[i]:.3g}", number(self.losses[i]), number(self.smoothed[i]))
            rows.append(f"{i:>9}  {values[0]:>10}  {values[1]:>10}  {values[2]:>10}{marks.get(i, '')}")
        suggested = "none" if self.suggested is None else f"{self.suggested:.2g}"
        return "\n".join([*rows, f"It ended because {self.end}.", f"Suggested base_lr: {suggested}: {self.reason}."])


def lr_find(
    source: str | os.PathLike[str] | SolverParameter | SolverFile | Solver,
    start: float = START,
    end: float = END,
    iterations: int = ITERATIONS,
    **options: Any,
) -> LrFind:
    """Train for some iterations with a rate that grows from `start` to `end`, and suggest one.

    A solver that is given is afterwards as before, bit for bit: weights, gradients, histories, positions in data. From
    a file or message one is made, with `options` as of get_solver and without tests, and closed. Nothing is written.
    The rates grow by equal factors; it ends early when the smoothed loss (a mean in which the newest has a weight of
    0.1) is over 4 times its lowest, or no number. Suggested is the rate at which the smoothed loss had come three
    quarters of its way down, from the mean of the first tenth of the iterations to its lowest; none where that fall is
    less than a twentieth, or less than 4 times the standard error that the losses of single iterations give it.

    Raises SolverError for rates that do not grow from above 0 and for layers that write files, and what get_solver
    raises.
    """
    if isinstance(source, Solver):
        return LrFind(**vars(range_test(source, start, end, iterations)))
    solver = get_solver(without_files(solver_file(source)), **options)
    try:
        return LrFind(**vars(range_test(solver, start, end, iterations)))
    finally:
        solver.close()


def without_files(file: SolverFile) -> SolverFile:
    """Return a solver's file without tests and without what makes it write snapshots; the one given stays."""
    param = SolverParameter()
    param.CopyFrom(file.param)
    for name in _LEFT_OUT:
        param.ClearField(name)
    param.lr_policy = "fixed"
    return SolverFile(param, file.lines, file.path)
