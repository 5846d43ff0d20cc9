"""BlobProto, the stored form of a blob: values, shape and the old 4-axis form. Source: src/caffe/blob.cpp."""

from __future__ import annotations

import os
from math import prod
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import WeightsError
from caffelite.core.file_kinds import HEAD, looks_like
from caffelite.core.files import read_file
from caffelite.core.format import shape_string
from caffelite.proto import caffe_pb2

LEGACY_FIELDS = ("num", "channels", "height", "width")


def stored_shape(proto: caffe_pb2.BlobProto) -> Shape:
    """Return the shape a BlobProto states: num, channels, height, width if any of them is given, else `shape`."""
    if any(proto.HasField(name) for name in LEGACY_FIELDS):
        return (proto.num, proto.channels, proto.height, proto.width)
    return tuple(proto.shape.dim)


def read_blob(proto: caffe_pb2.BlobProto) -> Array:
    """Return the values in their stored shape, float32 or float64; WeightsError if their number does not fit it."""
    values = _values(proto, "double_data", np.float64) if proto.double_data else _values(proto, "data", np.float32)
    shape = stored_shape(proto)
    if min(shape, default=0) < 0 or values.size != prod(shape):
        raise WeightsError(f"a stored blob of shape {shape_string(shape)} holds {values.size} values")
    try:
        return values.reshape(shape)
    except ValueError as err:  # more axes than numpy has, or sizes beyond 2^63 beside a 0
        raise WeightsError(f"a blob cannot have the shape {shape_string(shape)}: {err}") from None


def read_blob_file(path: str | os.PathLike[str]) -> Array:
    """Return the values of a file that holds one BlobProto, as read_blob does.

    Raises WeightsError if it holds something else, OSError if it is no file or cannot be read.
    """
    content = read_file(path)
    if kind := looks_like(content[:HEAD]):
        raise WeightsError(kind.instead_of("a BlobProto"))
    try:
        return read_blob(caffe_pb2.BlobProto.FromString(content))
    except DecodeError as err:
        raise WeightsError(str(err)) from None


def _values(proto: caffe_pb2.BlobProto, field: str, dtype: type[np.floating[Any]]) -> Array:
    """Return the numbers of a packed field, as the wire has them: making a Python object of each takes far longer."""
    alone = caffe_pb2.BlobProto()
    getattr(alone, field).MergeFrom(getattr(proto, field))
    count = len(getattr(alone, field))
    wire = alone.SerializeToString()  # tag, length, then the numbers, which are the end of it
    numbers = np.frombuffer(wire, np.dtype(dtype).newbyteorder("<"), count, len(wire) - count * dtype().itemsize)
    return numbers.astype(dtype)  # a copy, which is aligned and may be written to


def shape_fits(shape: Shape, stored: Shape, legacy: bool) -> bool:
    """Whether stored values of shape `stored` may be read into a blob of `shape`.

    The old 4-axis form fits a blob of up to 4 axes that has its axes at the end and ones in front; else they are equal.
    """
    if not legacy:
        return tuple(shape) == tuple(stored)
    return len(shape) <= 4 and (1,) * (4 - len(shape)) + tuple(shape) == tuple(stored)
