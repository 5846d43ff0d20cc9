"""The solver's file that a command line names, with what the command line says instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffelite.cli.command import Arguments
from caffelite.cli.options import LEVEL, WEIGHTS, stages, use_cpu

if TYPE_CHECKING:
    from caffelite.core.solver.file import SolverFile


def solver_file(path: str, arguments: Arguments) -> SolverFile:
    """Read a solver's file; the flags of level, stage, weights and GPU go over its fields."""
    from caffelite.core.solver.file import read_solver_file

    file = read_solver_file(path)
    param = file.param
    param.train_state.level = arguments[LEVEL]  # Caffe's rule: over the file's level, even where the flag is not given
    param.train_state.stage.extend(stages(arguments))
    # GPU is the field's default, but Caffe too trains on the CPU unless the file says GPU
    use_cpu(arguments, file_asks=param.HasField("solver_mode") and param.solver_mode == param.GPU)
    if arguments[WEIGHTS]:
        param.weights[:] = [arguments[WEIGHTS]]
    return file
