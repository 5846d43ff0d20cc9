import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.core.weights.wire_write import blob_chunks, chunks_of, joined, varint
from caffelite.proto.caffe_pb2 import BlobProto


@pytest.mark.parametrize(
    ("value", "data"), [(0, b"\0"), (127, b"\x7f"), (300, b"\xac\x02"), (2**35, b"\x80" * 5 + b"\1")]
)
def test_varint(value, data):
    assert varint(value) == data


def test_a_blob_is_written_as_protobuf_would(dtype):
    blob = Blob((2, 0, 3), dtype)
    assert list(BlobProto.FromString(joined(chunks_of(blob, True))).shape.dim) == [2, 0, 3]
    blob = Blob((2, 3), dtype)
    blob.data[...] = np.arange(6).reshape(2, 3)
    blob.diff[...] = -blob.data
    stored = BlobProto.FromString(joined(chunks_of(blob, True)))
    double = dtype == np.float64
    assert list(stored.double_data if double else stored.data) == list(range(6))
    assert list(stored.double_diff if double else stored.diff) == [-i for i in range(6)]
    assert not BlobProto.FromString(joined(chunks_of(blob, False))).diff


def test_large_arrays_are_not_copied():
    values = np.zeros(1000, np.float32)
    assert any(np.shares_memory(np.frombuffer(chunk, np.uint8), values) for chunk in blob_chunks((1000,), values))
