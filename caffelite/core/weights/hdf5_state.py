"""Solverstates in HDF5. Source: src/caffe/solvers/sgd_solver.cpp.

Caffe's datasets iter, learned_net, current_step and history/0, 1, ..., and one of ours, which Caffe does not look at.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import WeightsError
from caffelite.core.weights.hdf5 import Hdf5File, opened, write_array, writing
from caffelite.core.weights.solverstate import COUNTS, StoredState, not_a_count
from caffelite.core.weights.stored import StoredBlob
from caffelite.proto.caffe_pb2 import ResumeState, SolverState

RESUME = "caffelite_resume"  # the bytes of a ResumeState


def read_state(path: str | os.PathLike[str]) -> StoredState:
    """Read a solverstate; its history is copied. WeightsError if the file is none or is damaged."""
    with opened(path, "solverstate") as file:
        history = file.group(file.root, "history")
        if history is None and file.group(file.root, "data") is not None:
            raise WeightsError(f"{file.path}: this is a caffemodel, not a solverstate; give it as weights")
        if history is None:
            raise file.damaged("it holds no group /history")
        return StoredState(
            iter=_integer(file, "iter"),
            current_step=_integer(file, "current_step"),
            learned_net=_text(file, "learned_net"),
            history=_history(file, history),
            resume=_resume(file),
        )


def _integer(file: Hdf5File, name: str) -> int:
    dataset = file.dataset(file.root, name)
    if dataset is None or file.shape(dataset, name) != (1,) or dataset.dtype.kind not in "iu":
        raise file.damaged(f"it holds no number {name}")
    value = int(dataset[0])
    if value not in COUNTS:
        raise file.damaged(not_a_count(name, value))
    return value


def _text(file: Hdf5File, name: str) -> str:
    dataset = file.dataset(file.root, name)
    if dataset is None:
        return ""
    if dataset.shape != () or dataset.dtype.kind not in "SO" or dataset.dtype.itemsize > file.size:
        raise file.damaged(f"{name} is no text")
    value = dataset[()]
    if not isinstance(value, (bytes, str)):
        raise file.damaged(f"{name} is no text")
    return value if isinstance(value, str) else _decoded(value)


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _history(file: Hdf5File, group: Any) -> list[StoredBlob]:
    found = file.blobs(group)
    if sorted(found) != list(range(len(found))):
        raise file.damaged("its history blobs are not numbered from 0")
    return [file.stored(found[number], f"history blob {number}") for number in range(len(found))]


def _resume(file: Hdf5File) -> ResumeState | None:
    dataset = file.dataset(file.root, RESUME)
    if dataset is None:
        return None
    shape = file.shape(dataset, RESUME)
    values = np.empty(shape, np.uint8)
    file.read(dataset, values)
    try:
        return ResumeState.FromString(values.tobytes())
    except DecodeError as err:
        raise file.damaged(f"what layers kept cannot be read ({err})") from None


def write_state(path: str | os.PathLike[str], state: SolverState, history: Sequence[tuple[Shape, Array]]) -> None:
    """Write a solverstate; the file appears complete or not at all."""
    with writing(path) as root:
        write_array(root, "iter", np.array([state.iter], np.intc))
        _write_text(root, "learned_net", state.learned_net)
        write_array(root, "current_step", np.array([state.current_step], np.intc))
        write_array(root, RESUME, np.frombuffer(state.resume.SerializeToString(), np.uint8))
        group = root.create_group("history")
        for number, (shape, values) in enumerate(history):
            write_array(group, str(number), values.reshape(shape))


def _write_text(root: Any, name: str, text: str) -> None:
    """Write a scalar of fixed length that ends in a zero byte, as Caffe's C strings do."""
    import h5py

    data = text.encode() + b"\0"
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(data))
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    dataset = h5py.h5d.create(root.id, name.encode(), kind, space)
    dataset.write(space, space, np.array(data, f"S{len(data)}"), kind)
