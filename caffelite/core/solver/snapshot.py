"""Snapshots of a solver: all that it needs to go on exactly.

Source: src/caffe/solver.cpp, src/caffe/solvers/sgd_solver.cpp.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from llvmlite.binding import get_host_cpu_name

from caffelite.core.arena import LearnableParam
from caffelite.core.blob import Array
from caffelite.core.errors import SolverError
from caffelite.core.events import SnapshotStarted, SnapshotWritten
from caffelite.core.solver.nan_watch import refuse_bad_params
from caffelite.core.solver.snapshot_files import Snapshot
from caffelite.core.weights import caffemodel, hdf5_caffemodel, hdf5_state, solverstate
from caffelite.core.weights.checksum import crc32_of
from caffelite.core.weights.state_values import pack
from caffelite.proto.caffe_pb2 import ResumeState, SolverParameter, SolverState

if TYPE_CHECKING:
    from caffelite.core.solver.solver import Solver


def write_snapshot(solver: Solver) -> Snapshot:
    """Write the caffemodel and then the solverstate; return their names.

    Raises SolverError instead of storing values that are no numbers, unless the solver was told to ignore these.
    """
    if not solver.is_root:
        raise SolverError("only the solver of rank 0 takes snapshots")
    refuse_bad_params(solver)
    hdf5 = solver.param.snapshot_format == SolverParameter.HDF5
    files = Snapshot.named(solver.param.snapshot_prefix, solver.iter, hdf5)
    start = time.perf_counter()
    solver.events.send(SnapshotStarted(solver.iter, files.model_file, files.state_file))
    (hdf5_caffemodel if hdf5 else caffemodel).save(solver.net, files.model_file, solver.param.snapshot_diff)
    history = [(param.blob.shape, values) for param, values in history_blobs(solver)]
    state = _state(solver, files.model_file, [values for _, values in history])
    (hdf5_state if hdf5 else solverstate).write_state(files.state_file, state, history)
    seconds = time.perf_counter() - start
    solver.events.send(SnapshotWritten(solver.iter, files.model_file, files.state_file, seconds))
    return files


def history_blobs(solver: Solver) -> Iterator[tuple[LearnableParam, Array]]:
    """Yield all parameters with their ranges of the first history, then of the second: Caffe's order."""
    for history in solver.histories:
        for param in solver.net.learnable_params:
            yield param, history[param.offset : param.offset + param.count]


def _state(solver: Solver, model_file: str, history: Sequence[Array]) -> SolverState:
    """Return all of the state but the history, and the checksums of it and of the caffemodel."""
    resume = ResumeState(
        solver_type=solver.type,
        seed=solver.seed,
        net=[pack(net.get_state()) for net in solver.nets],
        model_crc32=crc32_of(model_file),
        written=time.time(),
        **machine(),
    )
    state = SolverState(iter=solver.iter, learned_net=model_file, current_step=solver.current_step, resume=resume)
    state.resume.state_crc32 = state_crc32(state, history)
    return state


def machine() -> dict[str, Any]:
    """Return what results depend on in the last bit."""
    return {"cpu": get_host_cpu_name(), "numba": numba.__version__, "threads": numba.get_num_threads()}


def state_crc32(state: SolverState, history: Sequence[Array]) -> int:
    """Return the checksum of a solverstate: of its fields, except this one, and of the history's values."""
    fields = SolverState()
    fields.CopyFrom(state)
    fields.resume.ClearField("state_crc32")
    crc = zlib.crc32(fields.SerializeToString(deterministic=True))
    for values in history:
        crc = zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data, crc)
    return crc
