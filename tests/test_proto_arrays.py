import numpy as np
import pytest

import caffelite
from caffelite import io
from caffelite.core.errors import DataError, UsageError, WeightsError

BlobProto, Datum = io.caffe_pb2.BlobProto, io.caffe_pb2.Datum
PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_the_old_4_fields():
    blob = BlobProto(data=[123] * 100, num=1, channels=1, height=10, width=10)
    array = io.blobproto_to_array(blob)
    assert (array.shape, array.dtype, array[0, 0, 9, 9]) == ((1, 1, 10, 10), np.float64, 123)


def test_one_of_the_old_fields_is_enough():
    with pytest.raises(ValueError, match="1 0 0 0"):
        io.blobproto_to_array(BlobProto(data=[1], num=1))


def test_a_shape():
    blob = BlobProto(data=[123] * 100)
    blob.shape.dim.extend([10, 10])
    assert io.blobproto_to_array(blob).shape == (10, 10)


def test_without_a_shape_there_is_one_value():
    with pytest.raises(ValueError, match="holds 100 values") as caught:
        io.blobproto_to_array(BlobProto(data=[123] * 100))
    assert isinstance(caught.value, WeightsError)
    array = io.blobproto_to_array(BlobProto(data=[123]))
    assert (array.shape, array) == ((), 123)


def test_doubles_are_read():
    blob = BlobProto(double_data=[0.1, 0.2], double_diff=[0.3, 0.4])
    blob.shape.dim.extend([2])
    assert io.blobproto_to_array(blob).tolist() == [0.1, 0.2]
    assert io.blobproto_to_array(blob, return_diff=True).tolist() == [0.3, 0.4]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_to_a_blobproto_and_back(dtype):
    values, diff = PIXELS.astype(dtype), PIXELS[::-1].astype(dtype)
    blob = io.array_to_blobproto(values, diff)
    assert blob.shape.dim == [2, 3, 4] and not blob.HasField("num")
    np.testing.assert_array_equal(io.blobproto_to_array(blob), values)
    np.testing.assert_array_equal(io.blobproto_to_array(blob, return_diff=True), diff)
    assert not io.array_to_blobproto(values).diff


def test_the_diff_has_the_shape_of_the_old_fields():
    blob = BlobProto(data=[1, 2], diff=[3, 4], num=1, channels=2, height=1, width=1)
    assert io.blobproto_to_array(blob, return_diff=True).shape == (1, 2, 1, 1)


def test_a_diff_of_another_size():
    with pytest.raises(UsageError, match=r"diff has the shape \(2,\), the values \(2, 3, 4\)"):
        io.array_to_blobproto(PIXELS, [1, 2])


def test_several_blobs_in_bytes():
    arrays = [np.arange(3.0), np.ones((2, 2)), np.array(5.0)]
    text = io.arraylist_to_blobprotovector_str(arrays)
    assert isinstance(text, bytes)
    for array, back in zip(arrays, io.blobprotovector_str_to_arraylist(text), strict=True):
        np.testing.assert_array_equal(array, back)
        assert array.shape == back.shape


def test_a_mean_file_has_4_axes(golden_folder):
    blob = BlobProto.FromString((golden_folder / "data" / "mean.binaryproto").read_bytes())
    assert io.blobproto_to_array(blob).ndim == 4


def test_bytes_of_pixels():
    datum = io.array_to_datum(PIXELS)
    assert (datum.channels, datum.height, datum.width, datum.HasField("label")) == (2, 3, 4, False)
    assert (datum.data, len(datum.float_data)) == (PIXELS.tobytes(), 0)
    back = io.datum_to_array(datum)
    np.testing.assert_array_equal(back, PIXELS)
    back[0] = 7  # it may be written to
    assert back.dtype == np.uint8


def test_other_numbers_are_float_data():
    datum = io.array_to_datum(PIXELS * 0.5, np.int64(3))
    assert (datum.label, datum.data) == (3, b"")
    back = io.datum_to_array(datum)
    np.testing.assert_array_equal(back, PIXELS * 0.5)
    assert back.dtype == np.float64


def test_a_label_makes_the_datum_longer():
    assert len(io.array_to_datum(PIXELS, 1).SerializeToString()) > len(io.array_to_datum(PIXELS).SerializeToString())
    with pytest.raises(TypeError):
        io.array_to_datum(PIXELS, 1.5)


@pytest.mark.parametrize("shape", [(3,), (3, 4), (1, 2, 3, 4)])
def test_a_datum_has_3_axes(shape):
    with pytest.raises(ValueError, match=r"array \(C, H, W\)") as caught:
        io.array_to_datum(np.zeros(shape))
    assert isinstance(caught.value, UsageError)


def test_a_datum_whose_values_do_not_fit():
    datum = io.array_to_datum(PIXELS)
    datum.width = 5
    with pytest.raises(DataError, match=r"a Datum of \(2, 3, 5\) does not have 24 values"):
        io.datum_to_array(datum)


def test_an_encoded_image_is_decoded():
    cv2 = pytest.importorskip("cv2")
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    datum = Datum(encoded=True, data=cv2.imencode(".png", pixels)[1].tobytes())
    back = io.datum_to_array(datum)
    np.testing.assert_array_equal(back, pixels.transpose(2, 0, 1))
    back[0] = 7
    with pytest.raises(DataError, match="Could not decode datum: its 3 bytes are no image"):
        io.datum_to_array(Datum(encoded=True, data=b"abc"))


def test_the_messages_are_at_hand():
    assert caffelite.proto.caffe_pb2.BlobProto is BlobProto
