"""Snapshots of a solver: all that it needs to go on exactly.

Source: src/caffe/solver.cpp, src/caffe/solvers/sgd_solver.cpp.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite.binding import get_host_cpu_name

from caffelite.core.arena import LearnableParam
from caffelite.core.blob import Array
from caffelite.core.events import Events, SnapshotStarted, SnapshotWritten
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.net.net import Net
from caffelite.core.solver.snapshot_files import Snapshot
from caffelite.core.weights.checksum import crc32_of
from caffelite.core.weights.formats import format_to_write
from caffelite.proto.caffe_pb2 import NetStateValues, ResumeState, SolverParameter, SolverState


class Progress(NamedTuple):
    """How far a solver of this type is: the updates done, and the step that its learning rate policy has reached.

    `states` is what the layers of each net kept between passes when the iteration began, in which a resumed run begins.
    """

    iter: int
    current_step: int
    solver_type: str
    states: Sequence[NetStateValues]


def write_snapshot(
    param: SolverParameter, nets: Sequence[Net], histories: Sequence[Array], progress: Progress, events: Events
) -> Snapshot:
    """Write the caffemodel and then the solverstate; return their names. Of `nets` the first is the training net."""
    chosen = format_to_write(param)
    files = Snapshot.named(param.snapshot_prefix, progress.iter, chosen)
    start = time.perf_counter()
    events.send(SnapshotStarted(progress.iter, files.model_file, files.state_file))
    chosen.write_model(files.model_file, nets[0].name, nets[0].weight_layers(), param.snapshot_diff)
    history = [(param.blob.shape, values) for param, values in history_blobs(nets[0].learnable_params, histories)]
    state = _state(progress, nets, files.model_file, [values for _, values in history])
    chosen.write_state(files.state_file, state, history)
    seconds = time.perf_counter() - start
    events.send(SnapshotWritten(progress.iter, files.model_file, files.state_file, seconds))
    return files


def history_blobs(
    params: Sequence[LearnableParam], histories: Sequence[Array]
) -> Iterator[tuple[LearnableParam, Array]]:
    """Yield all parameters with their ranges of the first history, then of the second: Caffe's order."""
    for history in histories:
        for param in params:
            yield param, history[param.offset : param.offset + param.count]


def _state(progress: Progress, nets: Sequence[Net], model_file: str, history: Sequence[Array]) -> SolverState:
    """Return all of the state but the history, and the checksums of it and of the caffemodel."""
    resume = ResumeState(
        solver_type=progress.solver_type,
        seed=nets[0].context.seed,
        net=progress.states,
        model_crc32=crc32_of(model_file),
        written=time.time(),
        **machine(),
    )
    state = SolverState(iter=progress.iter, learned_net=model_file, current_step=progress.current_step, resume=resume)
    state.resume.state_crc32 = state_crc32(state, history)
    return state


def machine() -> dict[str, Any]:
    """Return what results depend on in the last bit."""
    return {"cpu": get_host_cpu_name(), "numba": numba.__version__, "threads": thread_count()}


def state_crc32(state: SolverState, history: Sequence[Array]) -> int:
    """Return the checksum of a solverstate: of its fields, except this one, and of the history's values."""
    fields = SolverState()
    fields.CopyFrom(state)
    fields.resume.ClearField("state_crc32")
    crc = zlib.crc32(fields.SerializeToString(deterministic=True))
    for values in history:
        crc = zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data, crc)
    return crc
