"""Write protobuf's wire format piece by piece, so that large arrays go from memory to the file without a copy."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Blob, Shape
from caffelite.core.weights.stored import DATA, DIFF, DOUBLE_DATA, DOUBLE_DIFF
from caffelite.core.weights.wire import LENGTH
from caffelite.proto.caffe_pb2 import BlobProto, BlobShape

Array = npt.NDArray[Any]
Chunk = bytes | memoryview


def varint(value: int) -> bytes:
    """Return a non-negative integer in protobuf's variable length form."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def nested(number: int, chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return the chunks of a field that holds a message, a string or packed numbers."""
    return [varint(number << 3 | LENGTH) + varint(sum(map(len, chunks))), *chunks]


def blob_chunks(shape: Shape, data: Array, diff: Array | None = None) -> list[Chunk]:
    """Return the chunks of a BlobProto with `shape` and the values, float32 or float64 as the arrays are."""
    double = data.dtype == np.float64
    chunks: list[Chunk] = [BlobProto(shape=BlobShape(dim=shape)).SerializeToString()]
    chunks += nested(DOUBLE_DATA if double else DATA, [_raw(data)])
    if diff is not None:
        chunks += nested(DOUBLE_DIFF if double else DIFF, [_raw(diff)])
    return chunks


def chunks_of(blob: Blob, write_diff: bool) -> list[Chunk]:
    """Return the chunks of a blob's BlobProto, with its diff if asked."""
    return blob_chunks(blob.shape, blob.data, blob.diff if write_diff else None)


def joined(chunks: Iterable[Chunk]) -> bytes:
    """Return the chunks as one string of bytes."""
    return b"".join(chunks)


def _raw(values: Array) -> Chunk:
    """Return the bytes of an array: little-endian, in C order; without a copy where it already is."""
    flat = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1)
    return flat.view(np.uint8).data if flat.size else b""
