"""Solverstates: what a solver needs besides the weights to go on. Source: src/caffe/solvers/sgd_solver.cpp.

Caffe's four fields, and in a field that Caffe steps over the rest: positions in data sets, the seed, and on what
kind of machine the numbers were computed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import WeightsError
from caffelite.core.weights.atomic import replacing
from caffelite.core.weights.stored import HISTORY, LEARNED_NET, StoredBlob, is_caffemodel, stored_blob
from caffelite.core.weights.wire import LENGTH, VARINT, Field, WireFile
from caffelite.core.weights.wire_write import Chunk, blob_chunks, nested
from caffelite.proto.caffe_pb2 import ResumeState, SolverState

ITER, CURRENT_STEP, RESUME = 1, 4, 10000
COUNTS = range(2**31)  # what iter and current_step, int32 in Caffe, can be


@dataclass(frozen=True)
class StoredState:
    """A solverstate; `learned_net` is the caffemodel's name as written, "" if there is none.

    `history` holds views of the file. `resume` is None in states that Caffe wrote.
    """

    iter: int
    current_step: int
    learned_net: str
    history: list[StoredBlob]
    resume: ResumeState | None


def read_state(path: str | os.PathLike[str]) -> StoredState:
    """Read a solverstate; WeightsError if the file is none or is damaged."""
    file = WireFile(Path(path), "solverstate")
    if is_caffemodel(file):
        raise WeightsError(f"{file.path}: this is a caffemodel, not a solverstate; give it as weights")
    numbers = {ITER: 0, CURRENT_STEP: 0}
    learned_net, resume = "", None
    history: list[StoredBlob] = []
    for field in file.fields():
        if field.number in numbers and field.kind == VARINT:
            numbers[field.number] = file.integers(field)[0]
        elif field.kind != LENGTH:
            continue
        elif field.number == LEARNED_NET:
            learned_net = file.text(field)
        elif field.number == HISTORY:
            history.append(stored_blob(file, field, f"history blob {len(history)}"))
        elif field.number == RESUME:
            resume = _resume(file, field)
    for name, number in (("iter", ITER), ("current_step", CURRENT_STEP)):
        if numbers[number] not in COUNTS:
            raise file.damaged(not_a_count(name, numbers[number]))
    if not history and not learned_net:
        raise file.damaged("it holds neither a history nor the name of a caffemodel")
    return StoredState(numbers[ITER], numbers[CURRENT_STEP], learned_net, history, resume)


def not_a_count(name: str, value: int) -> str:
    """Return what is wrong with a number that is none of COUNTS."""
    return f"{name} is {value}; it is a number from 0 to {COUNTS[-1]}"


def _resume(file: WireFile, field: Field) -> ResumeState:
    try:
        return ResumeState.FromString(bytes(file.buffer[field.start : field.end]))
    except DecodeError as err:
        raise file.damaged(f"what layers kept cannot be read ({err})") from None


def write_state(path: str | os.PathLike[str], state: SolverState, history: Sequence[tuple[Shape, Array]]) -> None:
    """Write a solverstate: all of `state`, and the history blobs; the file appears complete or not at all."""
    chunks: list[Chunk] = [state.SerializeToString()]
    for shape, values in history:
        chunks += nested(HISTORY, blob_chunks(shape, values))
    with replacing(Path(path)) as file:
        for chunk in chunks:
            file.write(chunk)
