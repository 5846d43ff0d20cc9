import numpy as np
import pytest

from caffelite.core.blob_proto import read_blob, shape_fits, stored_shape
from caffelite.core.errors import WeightsError
from caffelite.proto.caffe_pb2 import BlobProto, BlobShape


@pytest.mark.parametrize("field", ["data", "double_data"])
def test_values_are_read_in_their_own_precision(field):
    proto = BlobProto(shape=BlobShape(dim=[2, 3]), **{field: np.arange(6) / 4})
    values = read_blob(proto)
    assert values.dtype == (np.float64 if field == "double_data" else np.float32)
    np.testing.assert_array_equal(values, np.arange(6).reshape(2, 3) / 4)
    values[...] = 0  # they are the caller's own
    assert getattr(proto, field)[5] == 5 / 4


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
