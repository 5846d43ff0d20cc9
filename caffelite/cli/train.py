"""`caffelite train`: make the solver that a prototxt describes and run it. Source: tools/caffe.cpp, train()."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING

from caffelite.cli import live
from caffelite.cli.command import Arguments, command
from caffelite.cli.options import (
    GPU,
    ITERATIONS,
    LEVEL,
    SIGHUP_EFFECT,
    SIGINT_EFFECT,
    SNAPSHOT,
    SOLVER,
    STAGE,
    WEIGHTS,
    at_least,
    require_files,
    required,
    stages,
    use_cpu,
)
from caffelite.cli.signals import SignalSource
from caffelite.core.errors import UsageError
from caffelite.core.events import Event, SnapshotWritten

if TYPE_CHECKING:
    from caffelite.core.solver import Solver
    from caffelite.core.solver_param import SolverFile

LOGGER = logging.getLogger("caffelite")
FLAGS = (SOLVER, SNAPSHOT, WEIGHTS, ITERATIONS, LEVEL, STAGE, SIGINT_EFFECT, SIGHUP_EFFECT, GPU)


@command("train", "train a net, finetune trained weights, or resume a snapshot", flags=FLAGS)
def train(arguments: Arguments) -> None:
    """Train the net that a solver's prototxt names.

    Ctrl-C makes a snapshot and stops, a hangup signal makes a snapshot and goes on.
    A second Ctrl-C stops at once, without a snapshot.
    """
    path = required(arguments, SOLVER, "Need a solver definition to train")
    if arguments[SNAPSHOT] and arguments[WEIGHTS]:
        raise UsageError("Give a snapshot to resume training or weights to finetune but not both.")
    require_files(arguments, SNAPSHOT)
    require_files(arguments, WEIGHTS)
    file = _solver_file(path, arguments)
    from caffelite.core.solver import get_solver

    with SignalSource(arguments[SIGINT_EFFECT], arguments[SIGHUP_EFFECT]) as signals:
        solver = get_solver(file)
        try:
            solver.action_source = signals
            _optimize(solver, arguments)
        finally:
            solver.close()


def _solver_file(path: str, arguments: Arguments) -> SolverFile:
    """Read the solver's file and put into it what the command line says instead."""
    from caffelite.core.solver_param import read_solver_file

    file = read_solver_file(path)
    param = file.param
    if arguments.given(ITERATIONS):
        param.max_iter = at_least(arguments, ITERATIONS, 0)
    param.train_state.level = arguments[LEVEL]  # Caffe's rule: over the file's level, even where the flag is not given
    param.train_state.stage.extend(stages(arguments))
    # GPU is the field's default, but Caffe too trains on the CPU unless the file says GPU
    use_cpu(arguments, file_asks=param.HasField("solver_mode") and param.solver_mode == param.GPU)
    if arguments[SNAPSHOT]:
        del param.weights[:]
    if arguments[WEIGHTS]:
        param.weights[:] = [arguments[WEIGHTS]]
    return file


def _optimize(solver: Solver, arguments: Arguments) -> None:
    snapshots: list[str] = []

    def note_snapshot(event: Event) -> None:
        if isinstance(event, SnapshotWritten):
            snapshots.append(event.state_file)

    solver.events.add(note_snapshot)
    with live.shown(solver):
        if arguments[SNAPSHOT]:
            LOGGER.info("Resuming from %s", arguments[SNAPSHOT])
            solver.restore(arguments[SNAPSHOT])
        LOGGER.info("Starting Optimization")
        solver.solve()
        LOGGER.info("Optimization Done.")
    if solver.stopped and snapshots:
        LOGGER.info("To go on: %s", resume_line(arguments, snapshots[-1]))


def resume_line(arguments: Arguments, state_file: str) -> str:
    """Return the command that goes on from `state_file` as this one would have."""
    words = ["caffelite", "train"]
    for flag, value in arguments.values.items():
        if flag not in (SNAPSHOT, WEIGHTS):
            words += flag.written(value)
    return shlex.join([*words, *SNAPSHOT.written(state_file)])
