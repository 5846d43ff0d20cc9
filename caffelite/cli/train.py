"""`caffelite train`: make the solver that a prototxt describes and run it. Source: tools/caffe.cpp, train()."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING, Any

from caffelite.cli import glog, live
from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import Flag, int32, string
from caffelite.cli.options import (
    ALLOW_UNKNOWN_FIELDS,
    AUTO,
    DATA_WORKERS,
    GPU,
    ITERATIONS,
    LAYERS,
    LEVEL,
    NO_PYTHON_LAYERS,
    ON_BAD_RECORD,
    REPORT,
    SIGHUP_EFFECT,
    SIGINT_EFFECT,
    SIGTERM_EFFECT,
    SNAPSHOT,
    SOLVER,
    STAGE,
    WEIGHTS,
    at_least,
    data_workers,
    require_files,
    required,
    tell_no_reader,
)
from caffelite.cli.signals import SignalSource
from caffelite.cli.solver_files import solver_file
from caffelite.core.errors import CaffeliteError, UsageError

if TYPE_CHECKING:
    from caffelite.core.net.net import Net
    from caffelite.core.solver.snapshot_files import Snapshot
    from caffelite.core.solver.solver import Solver
    from caffelite.pictures.chart import Chart
    from caffelite.reports.of_training import TrainingReport

SIGNAL_STATUS = 128  # and its number: what shells show for a program that a signal ended
LOGGER = logging.getLogger("caffelite")
KEEP_SNAPSHOTS = int32("keep_snapshots", 0, "How many snapshots of this solver to keep, the newest; 0 keeps all.")
ON_NAN = string(
    "on_nan", "stop", "What to do when the loss or a parameter is nan or infinite.", choices=("stop", "ignore")
)
CHART = string(
    "chart",
    "",
    "A picture, .png, .svg or .pdf, of loss, accuracy and learning rate; drawn again at every display and test, in at "
    "most a tenth of the time.",
    metavar="FILE",
)
FLAGS = (
    SOLVER,
    SNAPSHOT,
    KEEP_SNAPSHOTS,
    WEIGHTS,
    ITERATIONS,
    ON_NAN,
    CHART,
    REPORT,
    LEVEL,
    STAGE,
    DATA_WORKERS,
    ON_BAD_RECORD,
    LAYERS,
    ALLOW_UNKNOWN_FIELDS,
    NO_PYTHON_LAYERS,
    SIGINT_EFFECT,
    SIGHUP_EFFECT,
    SIGTERM_EFFECT,
    GPU,
)


FLAG_HELP: dict[Flag[Any], str] = {
    REPORT: "A page, .html, of curves, net, first filters before and after, files, versions and seed; written at the "
    "end, in long trainings also from time to time.",
    ITERATIONS: "The iteration to end with, in place of the file's max_iter; those before a snapshot count, too.",
    WEIGHTS: "Weights to finetune, a caffemodel, or several with commas between; each layer takes those of its name.",
}


@command(
    "train",
    "train a net, finetune trained weights, or resume a snapshot",
    flags=FLAGS,
    file=SOLVER,
    flag_help=FLAG_HELP,
)
def train(arguments: Arguments) -> int:
    """Train the net that a solver's prototxt names; FILE is the same as --solver=FILE.

    Ctrl-C and SIGTERM make a snapshot and stop, a hangup signal makes a snapshot and goes on.
    A second Ctrl-C stops at once, without a snapshot.
    Exit status: 0 if the training came to its end, 1 for what cannot work,
    128 plus the number of the signal that stopped it (130 for Ctrl-C). For example:

      caffelite train solver.prototxt --report=run.html
      caffelite train solver.prototxt --weights=net.caffemodel
      caffelite train solver.prototxt --snapshot=auto
    """
    path = required(arguments, SOLVER, "Need a solver definition to train")
    automatic = arguments[SNAPSHOT] == AUTO
    if arguments[SNAPSHOT] and arguments[WEIGHTS] and not automatic:
        raise UsageError("Give a snapshot to resume training or weights to finetune but not both.")
    if not automatic:
        require_files(arguments, SNAPSHOT)
    require_files(arguments, WEIGHTS)
    at_least(arguments, KEEP_SNAPSHOTS, 0)
    workers = data_workers(arguments)
    chart = _chart(arguments)
    _check_report(arguments)
    with glog.setting_up():
        file = solver_file(path, arguments)
        if arguments.given(ITERATIONS):
            file.param.max_iter = at_least(arguments, ITERATIONS, 0)
    from caffelite.core.solver.snapshot_files import snapshots
    from caffelite.core.solver.solver import get_solver

    found = snapshots(file.param.snapshot_prefix) if automatic else []
    if arguments[SNAPSHOT] and (found or not automatic):
        del file.param.weights[:]

    sigint, sighup, sigterm = (arguments[flag] for flag in (SIGINT_EFFECT, SIGHUP_EFFECT, SIGTERM_EFFECT))
    with SignalSource(sigint, sighup, sigterm, glog.say) as signals:
        with glog.setting_up():
            solver = get_solver(
                file,
                python_layers=not arguments[NO_PYTHON_LAYERS],
                data_workers=workers,
                on_bad_record=arguments[ON_BAD_RECORD],
            )
            tell_no_reader(arguments, solver.nets)
        try:
            solver.action_source = signals
            if chart is not None:
                solver.events.add(chart)
            _reported(solver, arguments, found)
        finally:
            if chart is not None:
                chart.finish()
            solver.close()
    return 0 if signals.stopped_by is None else SIGNAL_STATUS + signals.stopped_by


def _reported(solver: Solver, arguments: Arguments, found: list[Snapshot]) -> None:
    """Train, and finish the report of it if one is asked for, also where the training fails."""
    report = _report(solver, arguments)
    try:
        _optimize(solver, arguments, found)
    except CaffeliteError as err:
        if report is not None:
            report.finish(str(err))
        raise
    if report is not None:
        report.finish()  # where the live line is gone, so that one that moves says that this takes seconds


def _chart(arguments: Arguments) -> Chart | None:
    if not arguments[CHART]:
        return None
    from caffelite.pictures import require_matplotlib

    require_matplotlib()
    from caffelite.pictures.chart import Chart

    return Chart(arguments[CHART])


def _check_report(arguments: Arguments) -> None:
    """Raise UsageError now for a report that could not be made after the training."""
    if arguments[REPORT]:
        from caffelite.pictures import require_matplotlib
        from caffelite.reports.page import check_path

        check_path(arguments[REPORT])
        require_matplotlib()


def _report(solver: Solver, arguments: Arguments) -> TrainingReport | None:
    """Return the report that is asked for, listening to the solver."""
    if not arguments[REPORT]:
        return None
    from caffelite.cli.provenance import facts
    from caffelite.reports.of_training import TrainingReport

    return TrainingReport(arguments[REPORT], solver, [("command", shlex.join(_words(arguments))), *facts()])


def _optimize(solver: Solver, arguments: Arguments, found: list[Snapshot]) -> None:
    """Resume if asked, from the first of `found` that is complete if there are any; then train."""
    from caffelite.core.solver.restore import restore_newest
    from caffelite.core.solver.snapshot_files import SnapshotKeeper

    solver.on_nan = arguments[ON_NAN]
    if arguments[KEEP_SNAPSHOTS]:
        solver.events.add(SnapshotKeeper(solver.param.snapshot_prefix, arguments[KEEP_SNAPSHOTS]))
    with live.shown(solver.events, solver.param.max_iter, solver.param.iter_size * batch_size(solver.net)):
        if found:
            restore_newest(lambda state_file: solver.restore(state_file, strict=True), found)
        elif arguments[SNAPSHOT] == AUTO:
            LOGGER.info("There is no snapshot %s_iter_N yet: training begins", solver.param.snapshot_prefix)
        elif arguments[SNAPSHOT]:
            LOGGER.info("Resuming from %s", arguments[SNAPSHOT])
            solver.restore(arguments[SNAPSHOT])
        LOGGER.info("Starting Optimization")
        solver.solve()
        LOGGER.info("Optimization Done.")
    if solver.stopped and solver.last_snapshot:
        LOGGER.info("To go on: %s", resume_line(arguments, solver.last_snapshot))


def batch_size(net: Net) -> int:
    """Return how many images one forward pass takes: the first axis of what the first layer makes; 0 if it has none."""
    shapes = [blob.shape for _, blob in net.tops(0)]
    return shapes[0][0] if shapes and shapes[0] else 0


def resume_line(arguments: Arguments, state_file: str) -> str:
    """Return the command that goes on from `state_file` as this one would have."""
    return shlex.join([*_words(arguments, SNAPSHOT, WEIGHTS), *SNAPSHOT.written(state_file)])


def _words(arguments: Arguments, *without: Flag[Any]) -> list[str]:
    """Return the command line as it was given, but for some flags."""
    words = [*arguments.program, "train"]
    for flag, value in arguments.values.items():
        if flag not in without:
            words += flag.written(value)
    return words
