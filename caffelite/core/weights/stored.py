"""Blobs and layers as they lie in a caffemodel: views of the mapped file, with their shapes checked."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import MAX_AXES, Array, Shape
from caffelite.core.format import shape_string
from caffelite.core.weights.wire import LENGTH, VARINT, Field, WireFile

# Field numbers of the messages of proto/caffe.proto that lead to the values.
NET_LAYER, NET_V1_LAYER = 100, 2
LAYER_NAME, LAYER_BLOBS = 1, 7
V1_NAME, V1_BLOBS, V1_V0_LAYER = 4, 6, 1
V0_NAME, V0_BLOBS = 1, 50
SHAPE, SHAPE_DIM = 7, 1
LEGACY = (1, 2, 3, 4)  # num, channels, height, width
DATA, DIFF, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 8, 9
# Fields of NVIDIA's fork, which also shrink models to half precision; types by their number in its enum.
RAW_DATA_TYPE, RAW_DIFF_TYPE, RAW_DATA, RAW_DIFF = 10, 11, 12, 13
RAW_TYPES = ("<f8", "<f4", "<f2", "<i4", "<u4", "u1")


# Of a SolverState, which begins with a number (iter) where a NetParameter has a text (name).
LEARNED_NET, HISTORY = 2, 3
_FIRST = 1


class StoredBlob(NamedTuple):
    """A blob of a file; `data` and `diff` are flat views of it, `diff` None if it is not stored.

    `legacy`: `shape` is the old form (num, channels, height, width).
    """

    shape: Shape
    legacy: bool
    data: Array
    diff: Array | None


class StoredLayer(NamedTuple):
    """A layer of a file: what is needed to copy its parameters."""

    name: str
    blobs: list[StoredBlob]


def stored_layers(file: WireFile) -> Iterator[StoredLayer]:
    """Walk the layers of a NetParameter, also of nets of 2013 and 2014 (V0, V1); WeightsError if it is damaged."""
    for field in file.fields():
        if field.kind != LENGTH:
            continue
        if field.number == NET_LAYER:
            yield _layer(file, field, LAYER_NAME, LAYER_BLOBS)
        elif field.number == NET_V1_LAYER:
            nested = [f for f in file.fields(field.start, field.end) if (f.number, f.kind) == (V1_V0_LAYER, LENGTH)]
            yield _layer(file, nested[-1], V0_NAME, V0_BLOBS) if nested else _layer(file, field, V1_NAME, V1_BLOBS)


def is_caffemodel(file: WireFile) -> bool:
    """Whether the file is a NetParameter: it has a name, or layers in today's form."""
    return any(field.kind == LENGTH and field.number in (_FIRST, NET_LAYER) for field in file.fields())


def is_solverstate(file: WireFile) -> bool:
    """Whether the file is a SolverState: it has an iteration, and a history or the name of a caffemodel."""
    found = {(field.number, field.kind) for field in file.fields()}
    return (_FIRST, VARINT) in found and bool(found & {(LEARNED_NET, LENGTH), (HISTORY, LENGTH)})


def _layer(file: WireFile, layer: Field, name_number: int, blobs_number: int) -> StoredLayer:
    name, found = "", []
    for field in file.fields(layer.start, layer.end):
        if (field.number, field.kind) == (name_number, LENGTH):
            name = file.text(field)
        elif (field.number, field.kind) == (blobs_number, LENGTH):
            found.append(field)
    return StoredLayer(name, [stored_blob(file, f, f"blob {i} of layer '{name}'") for i, f in enumerate(found)])


def stored_blob(file: WireFile, blob: Field, what: str) -> StoredBlob:
    """Return the BlobProto in `blob`, which errors call `what`; WeightsError if shape and values disagree."""
    chunks: dict[int, list[Array]] = {}
    raw: dict[int, Field] = {}
    sizes: dict[int, int] = {}
    shape: list[int] = []
    for field in file.fields(blob.start, blob.end):
        if field.number == SHAPE and field.kind == LENGTH:
            shape = _dims(file, field, what)
        elif field.number in LEGACY and field.kind == VARINT:
            sizes[field.number] = file.integers(field)[0]
        elif field.number in (DATA, DIFF, DOUBLE_DATA, DOUBLE_DIFF):
            chunks.setdefault(field.number, []).append(file.numbers(field, "<f4" if field.number < SHAPE else "<f8"))
        elif field.number in (RAW_DATA_TYPE, RAW_DIFF_TYPE, RAW_DATA, RAW_DIFF):
            raw[field.number] = field
    legacy = bool(sizes)
    dims = tuple(sizes.get(number, 0) for number in LEGACY) if legacy else tuple(shape)
    data = _values(file, chunks, DOUBLE_DATA, DATA, raw, RAW_DATA_TYPE, RAW_DATA)
    diff = _values(file, chunks, DOUBLE_DIFF, DIFF, raw, RAW_DIFF_TYPE, RAW_DIFF)
    for values in (data, diff) if diff.size else (data,):
        if min(dims, default=0) < 0 or values.size != prod(dims):
            raise file.damaged(f"{what} has the shape {shape_string(dims)} but {values.size} values")
    return StoredBlob(dims, legacy, data, diff if diff.size else None)


def _dims(file: WireFile, shape: Field, what: str) -> list[int]:
    dims: list[int] = []
    for field in file.fields(shape.start, shape.end):
        if field.number == SHAPE_DIM:
            dims += file.integers(field)
        if len(dims) > MAX_AXES:
            raise file.damaged(f"{what} has more than {MAX_AXES} axes")
    return dims


def _values(
    file: WireFile,
    chunks: dict[int, list[Array]],
    double: int,
    single: int,
    raw: dict[int, Field],
    raw_type: int,
    raw_values: int,
) -> Array:
    """Return the values: of double precision if there are any, else of single precision, else raw ones."""
    for number in (double, single):
        parts = [part for part in chunks.get(number, []) if part.size]
        if parts:
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
    if raw_values not in raw:
        return np.empty(0, np.float32)
    kind = raw[raw_type].value if raw_type in raw else 0
    if kind >= len(RAW_TYPES):
        raise file.damaged(f"raw values of an unknown type {kind}")
    return file.numbers(raw[raw_values], RAW_TYPES[kind])
