"""Snapshots of a solver, and going on from them. Source: src/caffe/solver.cpp, src/caffe/solvers/sgd_solver.cpp."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
from llvmlite.binding import get_host_cpu_name

from caffelite.core.arena import LearnableParam
from caffelite.core.blob import Array
from caffelite.core.blob_proto import shape_fits
from caffelite.core.errors import SolverError, WeightsError
from caffelite.core.events import HistoryRestored, SnapshotStarted, SnapshotWritten
from caffelite.core.net import Net
from caffelite.core.text import shape_string
from caffelite.core.weights.atomic import check_writable
from caffelite.core.weights.caffemodel import copy_trained_layers, save
from caffelite.core.weights.solverstate import StoredState, read_state, write_state
from caffelite.core.weights.state_values import pack, unpack
from caffelite.proto.caffe_pb2 import ResumeState, SolverState

if TYPE_CHECKING:
    from caffelite.core.solver import Solver

log = logging.getLogger("caffelite")


def check_prefix(solver: Solver) -> None:
    """Raise SolverError, with the line of snapshot_prefix, if snapshots cannot be written; makes a missing folder."""
    try:
        check_writable(_base_name(solver))
    except WeightsError as err:
        raise SolverError(f"{solver.file.where('snapshot_prefix')}{err}") from err


def _base_name(solver: Solver) -> str:
    return f"{solver.param.snapshot_prefix}_iter_{solver.iter}"


def write_snapshot(solver: Solver) -> tuple[str, str]:
    """Write the caffemodel and then the solverstate; return their names."""
    if not solver.is_root:
        raise SolverError("only the solver of rank 0 takes snapshots")
    model_file, state_file = f"{_base_name(solver)}.caffemodel", f"{_base_name(solver)}.solverstate"
    start = time.perf_counter()
    solver.events.send(SnapshotStarted(solver.iter, model_file, state_file))
    save(solver.net, model_file, solver.param.snapshot_diff)
    state = SolverState(
        iter=solver.iter, learned_net=model_file, current_step=solver.current_step, resume=_resume_state(solver)
    )
    write_state(state_file, state, [(param.blob.shape, values) for param, values in _history_blobs(solver)])
    solver.events.send(SnapshotWritten(solver.iter, model_file, state_file, time.perf_counter() - start))
    return model_file, state_file


def _history_blobs(solver: Solver) -> Iterator[tuple[LearnableParam, Array]]:
    """Yield all parameters with their ranges of the first history, then of the second: Caffe's order."""
    for history in solver.histories:
        for param in solver.net.learnable_params:
            yield param, history[param.offset : param.offset + param.count]


def _resume_state(solver: Solver) -> ResumeState:
    return ResumeState(
        solver_type=solver.type,
        seed=solver.seed,
        net=[pack(net.get_state()) for net in solver.nets],
        **_machine(),
    )


def _machine() -> dict[str, Any]:
    """Return what results depend on in the last bit."""
    return {"cpu": get_host_cpu_name(), "numba": numba.__version__, "threads": numba.get_num_threads()}


def read_snapshot(solver: Solver, state_file: str | os.PathLike[str]) -> StoredState:
    """Take up weights, history and layers' states of a solverstate; return it for what is left.

    Raises WeightsError, with the solver unchanged, if the files are damaged or belong to another net.
    """
    path = Path(state_file)
    state = read_state(path)
    _check_history(solver, state, path)
    layer_states = [unpack(packed) for packed in state.resume.net] if state.resume else []
    if state.learned_net:
        copy_trained_layers(solver.net, _find_model(path, state.learned_net))
    solver.events.send(HistoryRestored(state.iter, str(path)))
    for (_, values), stored in zip(_history_blobs(solver), state.history, strict=True):
        values[...] = stored.data
    if state.resume is not None:
        _take_up(solver, state.resume, path)
    for net, states in zip(solver.nets, layer_states, strict=False):  # test nets may have been added or removed
        _set_states(net, states, path)
    return state


def _check_history(solver: Solver, state: StoredState, path: Path) -> None:
    pairs = list(_history_blobs(solver))
    if len(state.history) != len(pairs):
        raise WeightsError(
            f"Incorrect length of history blobs. {path} holds {len(state.history)} of them; a solver of type "
            f"{solver.type} has {len(pairs)} for this net"
        )
    for index, ((param, _), stored) in enumerate(zip(pairs, state.history, strict=True)):
        if not shape_fits(param.blob.shape, stored.shape, stored.legacy):
            raise WeightsError(
                f"{path}: history blob {index} is of shape {shape_string(stored.shape)}, but param {param.index} of "
                f"layer '{param.layer_name}' is of shape {shape_string(param.blob.shape)}; the state is of another net"
            )


def _find_model(path: Path, learned_net: str) -> Path:
    """Return the caffemodel that a solverstate names: as written (Caffe's rule), else beside the state."""
    tried = [Path(learned_net), path.parent / learned_net, path.parent / Path(learned_net).name]
    for place in tried:
        if place.exists():
            return place
    places = " and ".join(dict.fromkeys(os.path.abspath(place) for place in tried))
    raise WeightsError(f"{path}: its caffemodel is not found (tried {places}); put it beside the solverstate")


def _take_up(solver: Solver, resume: ResumeState, path: Path) -> None:
    """Take up the seed; say what keeps the run from being the one that was interrupted, to the last bit."""
    here: dict[str, Any] = {"solver_type": solver.type, **_machine()}
    for name, value in here.items():
        there = getattr(resume, name)
        if there != value:
            log.info("%s was written with %s %s, here it is %s: results may differ", path, name, there, value)
    if solver.param.random_seed < 0:
        solver.seed = resume.seed
        for net in solver.nets:
            net.context.seed = resume.seed


def _set_states(net: Net, states: dict[str, dict[str, Any]], path: Path) -> None:
    own = net.get_state()
    fitting = {layer: state for layer, state in states.items() if own.get(layer, {}).keys() == state.keys()}
    for layer in sorted(states.keys() - fitting.keys()):
        log.info("%s: what layer %s kept is not used, the net has no such layer", path, layer)
    net.set_state(fitting)
