"""Snapshots of a solver: all that it needs to go on exactly.

Source: src/caffe/solver.cpp, src/caffe/solvers/sgd_solver.cpp.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite.binding import get_host_cpu_name

from caffelite.core import temporaries
from caffelite.core.arena import LearnableParam
from caffelite.core.blob import Array
from caffelite.core.errors import WeightsError
from caffelite.core.events import Events, SnapshotStarted, SnapshotWritten
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.net.net import Net
from caffelite.core.solver.snapshot_files import Snapshot
from caffelite.core.weights.checksum import crc32_of
from caffelite.core.weights.formats import Format, format_to_write
from caffelite.proto.caffe_pb2 import NetStateValues, ResumeState, ScoreState, SolverParameter, SolverState


class Progress(NamedTuple):
    """How far a solver of this type is: the updates done, and the step that its learning rate policy has reached.

    `states` is what the layers of each net kept between passes when the iteration began, in which a resumed run begins,
    and `scores` what decisions about tests depended on then.
    """

    iter: int
    current_step: int
    solver_type: str
    states: Sequence[NetStateValues]
    scores: Sequence[ScoreState] = ()


def write_snapshot(
    param: SolverParameter, nets: Sequence[Net], histories: Sequence[Array], progress: Progress, events: Events
) -> Snapshot:
    """Write the caffemodel and then the solverstate; return their names. Of `nets` the first is the training net."""
    chosen = format_to_write(param)
    files = Snapshot.named(param.snapshot_prefix, progress.iter, chosen)
    start = time.perf_counter()
    events.send(SnapshotStarted(progress.iter, files.model_file, files.state_file))
    _write(files, files.model_file, chosen, param, nets, histories, progress)
    seconds = time.perf_counter() - start
    events.send(SnapshotWritten(progress.iter, files.model_file, files.state_file, seconds))
    return files


def is_of_now(state_file: str | os.PathLike[str], param: SolverParameter, iteration: int) -> bool:
    """Whether a snapshot that is written at this iteration would take the place of this one."""
    named = Snapshot.named(param.snapshot_prefix, iteration, format_to_write(param))
    return os.path.realpath(state_file) == os.path.realpath(named.state_file)


def write_best(param: SolverParameter, nets: Sequence[Net], histories: Sequence[Array], progress: Progress) -> Snapshot:
    """Write the files that keep the best in place of those before; return their names.

    Both are written elsewhere first. Whenever the program is killed, the caffemodel is whole, the old or the new one,
    and the solverstate belongs to it or is missing. Raises WeightsError if folder or disk refuses.
    """
    chosen = format_to_write(param)
    files = Snapshot.best(param.snapshot_prefix, chosen)
    targets = [Path(os.path.realpath(file)) for file in files]
    try:
        with temporaries.new_folder(targets[0]) as folder:
            new = Snapshot(*(str(folder / target.name) for target in targets))
            _write(new, files.model_file, chosen, param, nets, histories, progress)
            targets[1].unlink(missing_ok=True)
            for file, target in zip(new, targets, strict=True):
                os.replace(file, target)
    except OSError as err:
        raise WeightsError(f"cannot write {files.model_file}: {err.strerror or err}") from err
    return files


def _write(
    files: Snapshot,
    learned_net: str,
    chosen: Format,
    param: SolverParameter,
    nets: Sequence[Net],
    histories: Sequence[Array],
    progress: Progress,
) -> None:
    """Write both files; the solverstate names the caffemodel `learned_net`."""
    chosen.write_model(files.model_file, nets[0].name, nets[0].weight_layers(), param.snapshot_diff)
    history = [(param.blob.shape, values) for param, values in history_blobs(nets[0].learnable_params, histories)]
    state = _state(progress, nets, learned_net, crc32_of(files.model_file))
    state.resume.state_crc32 = state_crc32(state, [values for _, values in history])
    chosen.write_state(files.state_file, state, history)


def history_blobs(
    params: Sequence[LearnableParam], histories: Sequence[Array]
) -> Iterator[tuple[LearnableParam, Array]]:
    """Yield all parameters with their ranges of the first history, then of the second: Caffe's order."""
    for history in histories:
        for param in params:
            yield param, history[param.offset : param.offset + param.count]


def _state(progress: Progress, nets: Sequence[Net], learned_net: str, model_crc32: int) -> SolverState:
    """Return all of the state but the history and the checksum of the whole."""
    resume = ResumeState(
        solver_type=progress.solver_type,
        seed=nets[0].context.seed,
        net=progress.states,
        model_crc32=model_crc32,
        written=time.time(),
        score=progress.scores,
        **machine(),
    )
    return SolverState(iter=progress.iter, learned_net=learned_net, current_step=progress.current_step, resume=resume)


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
