"""Going on from a snapshot. Source: src/caffe/solver.cpp, src/caffe/solvers/sgd_solver.cpp."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caffelite.core.arena import LearnableParam
from caffelite.core.blob import Array
from caffelite.core.blob_proto import shape_fits
from caffelite.core.errors import CaffeliteError, WeightsError
from caffelite.core.events import Events, HistoryRestored
from caffelite.core.files import NoSuchFileError, first_existing
from caffelite.core.format import shape_string
from caffelite.core.layer import Layer, State
from caffelite.core.net.net import Net, state_of
from caffelite.core.solver.file import SolverFile
from caffelite.core.solver.lr_policies import multistep_after
from caffelite.core.solver.snapshot import history_blobs, machine, state_crc32
from caffelite.core.solver.snapshot_files import Snapshot
from caffelite.core.weights.checksum import crc32_of
from caffelite.core.weights.formats import copy_trained_layers, format_of
from caffelite.core.weights.solverstate import StoredState
from caffelite.core.weights.state_values import unpack
from caffelite.proto.caffe_pb2 import ResumeState, SolverState

log = logging.getLogger("caffelite")


def restore_newest(restore: Callable[[str], None], candidates: list[Snapshot]) -> str:
    """Restore the first of the snapshots that is complete; return its solverstate. Those behind it stay unopened.

    Snapshots that are not complete are named in warnings. So is one behind it whose file is newer: it may be of a
    training that was begun anew, or from an earlier snapshot, and has not come as far.

    `restore` takes up a solverstate, or raises CaffeliteError and changes nothing: a solver's `restore`, strictly.
    Raises WeightsError if none is complete.
    """
    for index, snapshot in enumerate(candidates):
        log.info("Resuming from %s", snapshot.state_file)
        try:
            restore(snapshot.state_file)
        except CaffeliteError as err:
            log.warning("%s cannot be used: %s", snapshot.state_file, err)
        else:
            _tell_newer(snapshot, candidates[index + 1 :])
            return snapshot.state_file
    names = ", ".join(snapshot.state_file for snapshot in candidates)
    raise WeightsError(f"no snapshot can be used ({names}): mend or remove them, or train without --snapshot")


def _tell_newer(chosen: Snapshot, others: list[Snapshot]) -> None:
    newest = max(others, key=lambda snapshot: _changed(snapshot.state_file), default=chosen)
    if _changed(newest.state_file) > _changed(chosen.state_file):
        log.warning(
            "%s is of a lower iteration than %s, but its file is newer. If it is of another training, which is to go "
            "on, give it as --snapshot, or move the other training's snapshots",
            newest.state_file,
            chosen.state_file,
        )


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:  # a running process may have removed it
        return 0.0


def read_snapshot(
    state_file: str | os.PathLike[str],
    strict: bool,
    solver_type: str,
    nets: Sequence[Net],
    histories: Sequence[Array],
    events: Events,
    take_seed: bool,
) -> StoredState:
    """Put weights, history and layers' states of a solverstate into `nets`, training net first, and `histories`.

    Returns the state for what is left: iteration and step. With `take_seed` the nets get the stored seed, too.
    Raises WeightsError, with nothing changed, if the files are damaged or belong to another net. A caffemodel that
    was changed since, lacks a layer or is not named by the state is an error if `strict`, else a warning: people do
    put other weights there, and rename layers.
    """
    path = Path(state_file)
    state = format_of(path).read_state(path)
    params = nets[0].learnable_params
    _check_history(list(history_blobs(params, histories)), state, path, solver_type)
    _check_state_sum(state, path)
    layer_states = [unpack(packed) for packed in state.resume.net] if state.resume else []
    if state.learned_net:
        model_file = _find_model(path, state.learned_net)
        _check_model_sum(state, model_file, strict)
        copy_trained_layers(nets[0].weight_layers(), model_file, all_needed=strict)
    else:
        _tell_no_model(path, strict)
    events.send(HistoryRestored(state.iter, str(path)))
    with np.errstate(over="ignore", invalid="ignore"):
        for (_, values), stored in zip(history_blobs(params, histories), state.history, strict=True):
            values[...] = stored.data
    if state.resume is not None:
        _tell_differences(solver_type, state.resume, path)
        for net in nets if take_seed else ():
            net.context.seed = state.resume.seed
    for net, states in zip(nets, layer_states, strict=False):  # test nets may have been added or removed
        _set_states(net, states, path)
    return state


def tell_other_step(file: SolverFile, state: StoredState, state_file: str) -> None:
    """Warn if lr_policy "multistep" would be at another step had it run with these stepvalues from the start."""
    param = file.param
    step, wanted = state.current_step, multistep_after(param, state.iter)
    if param.lr_policy != "multistep" or step == wanted:
        return
    then = "takes one step in each iteration until it is there" if step < wanted else "goes on from that step"
    log.warning(
        '%s%s was written at iteration %d with step %d of lr_policy "multistep"; the stepvalues now say %d. '
        "Training %s, as in Caffe: the learning rate is base_lr * gamma ^ step",
        file.where("stepvalue"),
        state_file,
        state.iter,
        step,
        wanted,
        then,
    )


def _check_history(pairs: list[tuple[LearnableParam, Array]], state: StoredState, path: Path, solver_type: str) -> None:
    if len(state.history) != len(pairs):
        raise WeightsError(
            f"Incorrect length of history blobs. {path} holds {len(state.history)} of them; a solver of type "
            f"{solver_type} has {len(pairs)} for this net"
        )
    for index, ((param, _), stored) in enumerate(zip(pairs, state.history, strict=True)):
        if not shape_fits(param.blob.shape, stored.shape, stored.legacy):
            raise WeightsError(
                f"{path}: history blob {index} is of shape {shape_string(stored.shape)}, but param {param.index} of "
                f"layer '{param.layer_name}' is of shape {shape_string(param.blob.shape)}; the state is of another net"
            )


def _check_state_sum(state: StoredState, path: Path) -> None:
    if state.resume is None:  # Caffe writes no checksum
        return
    fields = SolverState(
        iter=state.iter, learned_net=state.learned_net, current_step=state.current_step, resume=state.resume
    )
    if state_crc32(fields, [blob.data for blob in state.history]) != state.resume.state_crc32:
        raise WeightsError(f"{path}: the file is damaged: its checksum is wrong; take another snapshot")


def _check_model_sum(state: StoredState, model_file: Path, strict: bool) -> None:
    if state.resume is None or crc32_of(model_file) == state.resume.model_crc32:
        return
    text = f"{model_file} is not as it was written with the solverstate: it is damaged, or somebody changed it"
    if strict:
        raise WeightsError(text)
    log.warning("%s", text)


def _tell_no_model(path: Path, strict: bool) -> None:
    text = f"{path} names no caffemodel (learned_net)"
    if strict:
        raise WeightsError(f"{text}, so it cannot be gone on from")
    log.warning("%s: the weights stay as they are, and only the history of their updates is taken up", text)


def _find_model(path: Path, learned_net: str) -> Path:
    """Return the caffemodel that a solverstate names: as written (Caffe's rule), else beside the state."""
    try:
        return first_existing([Path(learned_net), path.parent / learned_net, path.parent / Path(learned_net).name])
    except NoSuchFileError as err:
        raise WeightsError(f"{path}: its caffemodel is not found: {err}; put it beside the solverstate") from None


def _tell_differences(solver_type: str, resume: ResumeState, path: Path) -> None:
    """Log what keeps the run from being the one that was interrupted, to the last bit."""
    here: dict[str, Any] = {"solver_type": solver_type, **machine()}
    for name, value in here.items():
        there = getattr(resume, name)
        if there != value:
            level = logging.WARNING if name == "solver_type" else logging.INFO
            log.log(level, "%s was written with %s %s, here it is %s: results may differ", path, name, there, value)


def _set_states(net: Net, states: dict[str, State], path: Path) -> None:
    layers = net.layers_by_name()
    own = {name: state_of(layer) for name, layer in layers.items() if type(layer).set_state is not Layer.set_state}
    # A layer that keeps nothing at first may have kept something later.
    fitting = {name: state for name, state in states.items() if name in own and own[name].keys() <= state.keys()}
    for name in sorted(states.keys() - fitting.keys()):
        level, why = logging.INFO, "the net has no such layer"
        if name in own:
            why = f"here it keeps {', '.join(own[name])} and not {', '.join(states[name])}"
        elif name in layers:
            why = "it keeps nothing here"
            if type(layers[name]).get_state is not Layer.get_state:
                level, why = logging.WARNING, f"{type(layers[name]).__qualname__} has no set_state, so it starts afresh"
        log.log(level, "%s: what layer %s kept is not used, %s", path, name, why)
    net.set_state(fitting)
