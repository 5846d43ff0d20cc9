import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.core.blob_proto import read_blob, shape_fits, stored_shape, write_blob
from caffelite.core.errors import WeightsError
from caffelite.proto.caffe_pb2 import BlobProto, BlobShape


def test_what_is_written_is_read_back(dtype):
    blob = Blob((2, 3), dtype)
    blob.data[...] = np.arange(6).reshape(2, 3)
    blob.diff[...] = 7
    proto = write_blob(blob, write_diff=True)
    values = read_blob(proto)
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, blob.data)
    assert list(proto.double_diff if dtype == np.float64 else proto.diff) == [7] * 6
    assert not proto.HasField("num")


def test_the_old_form_has_four_axes():
    proto = BlobProto(num=1, channels=1, height=2, width=2, data=[1, 2, 3, 4])
    assert stored_shape(proto) == (1, 1, 2, 2)
    assert read_blob(proto).shape == (1, 1, 2, 2)


def test_doubles_win_over_floats():
    proto = BlobProto(shape=BlobShape(dim=[2]), data=[0], double_data=[5, 6])
    np.testing.assert_array_equal(read_blob(proto), [5, 6])


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (BlobProto(), r"of shape \(1\) holds 0 values"),
        (BlobProto(shape=BlobShape(dim=[2, 2]), data=[1, 2, 3]), r"of shape 2 2 \(4\) holds 3 values"),
        (BlobProto(shape=BlobShape(dim=[-1, -3]), data=[1, 2, 3]), r"of shape -1 -3 \(3\)"),
    ],
)
def test_values_that_do_not_fill_the_shape_are_refused(proto, message):
    with pytest.raises(WeightsError, match=message):
        read_blob(proto)


@pytest.mark.parametrize(
    ("shape", "stored", "legacy", "fits"),
    [
        ((3, 2), (1, 1, 3, 2), True, True),
        ((3, 2), (0, 1, 3, 2), True, False),
        ((3, 2), (3, 1, 3, 2), True, False),
        ((1, 3, 2), (1, 1, 3, 2), True, True),
        ((2, 3, 2), (1, 1, 3, 2), True, False),
        ((4,), (1, 1, 1, 4), True, True),
        ((4,), (4,), False, True),
        ((4,), (4, 1), False, False),
        ((2, 2), (4,), False, False),
    ],
)
def test_which_stored_shapes_fit(shape, stored, legacy, fits):
    assert shape_fits(shape, stored, legacy) is fits
