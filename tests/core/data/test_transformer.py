import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.data.transformer import DataTransformer
from caffelite.core.errors import LayerError
from caffelite.proto.caffe_pb2 import TEST, TRAIN, TransformationParameter


def ramp(channels, height, width):
    return np.arange(channels * height * width, dtype=np.uint8).reshape(channels, height, width)


def transformer(text="", phase=TEST, key=1, dtype=np.float32, mean=None):
    param = text_format.Parse(text, TransformationParameter())
    return DataTransformer(param, phase == TRAIN, np.dtype(dtype), key, mean)


def transformed(made, image, record=0):
    out = np.full(made.shape_of(image.shape), np.nan, made._dtype)
    made.transform(image, record, out)
    return out


def mirrored(made, image):
    """What `made` does to the first record that it mirrors."""
    results = [transformed(made, image, record) for record in range(20)]
    return next(result for result in results if not np.array_equal(result, results[0]) or _is_mirrored(made, result))


def _is_mirrored(made, result):
    return result.ravel()[0] > result.ravel()[-1]


def test_no_fields_no_change():
    np.testing.assert_array_equal(transformed(transformer(), ramp(3, 4, 5)), ramp(3, 4, 5))


@pytest.mark.parametrize(
    ("size", "image", "values"),
    [
        (3, (1, 5, 5), [6, 7, 8, 11, 12, 13, 16, 17, 18]),
        (2, (1, 5, 5), [6, 7, 11, 12]),
        (2, (3, 4, 5), [6, 7, 11, 12, 26, 27, 31, 32, 46, 47, 51, 52]),
    ],
)
def test_crop_in_test_is_in_the_middle(size, image, values):
    assert transformed(transformer(f"crop_size: {size}"), ramp(*image)).ravel().tolist() == values


def test_crop_rounds_down():
    assert transformed(transformer("crop_size: 4"), ramp(1, 5, 5))[0, 0, 0] == 0


def test_crop_then_mirror():
    assert mirrored(transformer("crop_size: 3 mirror: true"), ramp(1, 5, 5)).ravel().tolist() == [
        *(8, 7, 6),
        *(13, 12, 11),
        *(18, 17, 16),
    ]


def test_mean_values():
    zeros = np.zeros((3, 4, 5), np.uint8)
    assert set(transformed(transformer("mean_value: 2"), zeros).ravel()) == {-2}
    each = transformed(transformer("mean_value: 0 mean_value: 1 mean_value: 2"), zeros)
    np.testing.assert_array_equal(each, np.broadcast_to([[[0]], [[-1]], [[-2]]], (3, 4, 5)))


def test_floats(dtype):
    made = transformer("scale: 2", dtype=np.dtype(dtype))
    result = transformed(made, np.array([[[-1.5, 2.25]]], np.float32))
    assert result.tolist() == [[[-3, 4.5]]]
    assert result.dtype == dtype


def test_computes_in_the_nets_number_type(dtype):
    image = ramp(1, 16, 16)
    expected = (image - np.array(100.25, dtype)) * dtype(np.float32(1 / 256.3))
    made = transformer(f"mean_value: 100.25 scale: {1 / 256.3}", dtype=np.dtype(dtype))
    np.testing.assert_array_equal(transformed(made, image), expected)
    made = transformer(f"scale: {1 / 256.3}", dtype=np.dtype(dtype))
    np.testing.assert_array_equal(transformed(made, image), image * dtype(np.float32(1 / 256.3)))


def test_crop_in_train_reaches_every_place_and_depends_on_the_record_alone():
    made = transformer("crop_size: 2", TRAIN)
    first = [int(transformed(made, ramp(3, 4, 5), record)[0, 0, 0]) for record in range(1200)]
    assert set(first) == {0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13}
    assert max(map(first.count, set(first))) < 2 * min(map(first.count, set(first)))
    again = transformer("crop_size: 2", TRAIN)
    assert [int(transformed(again, ramp(3, 4, 5), record)[0, 0, 0]) for record in reversed(range(1200))] == first[::-1]
    other = transformer("crop_size: 2", TRAIN, key=2)
    assert [int(transformed(other, ramp(3, 4, 5), record)[0, 0, 0]) for record in range(1200)] != first


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_mirror_in_both_phases(phase):
    made = transformer("mirror: true", phase)
    flips = [_is_mirrored(made, transformed(made, ramp(1, 1, 2), record)) for record in range(1200)]
    assert 500 < sum(flips) < 700


def test_crop_in_test_never_varies():
    made = transformer("crop_size: 2")
    assert len({transformed(made, ramp(3, 4, 5), record).tobytes() for record in range(20)}) == 1


@pytest.mark.parametrize(
    ("text", "image", "message"),
    [
        (
            "mean_value: 1 mean_value: 2",
            (3, 5, 5),
            r"mean_value is \[1\.0, 2\.0\]; Specify either 1 mean_value or as many as channels: 3",
        ),
        ("crop_size: 6", (1, 5, 5), "crop_size is 6; an image of 5 x 5 is smaller"),
        ("crop_size: 5", (1, 4, 9), "crop_size is 5; an image of 4 x 9 is smaller"),
    ],
)
def test_refuses_images_that_do_not_fit(text, image, message):
    with pytest.raises(LayerError, match=r"transform_param\." + message):
        transformed(transformer(text), ramp(*image))


def test_one_mean_value_is_for_as_many_channels_as_came_first():
    made = transformer("mean_value: 1")
    transformed(made, ramp(3, 2, 2))
    with pytest.raises(LayerError, match="as many as channels: 1"):
        transformed(made, ramp(1, 2, 2))


def test_refuses_images_of_other_sizes_in_one_batch():
    out = np.empty((1, 2, 2), np.float32)
    with pytest.raises(LayerError, match=r"one gives 1 3 3 \(9\), the first gave 1 2 2 \(4\); set crop_size"):
        transformer().transform(ramp(1, 3, 3), 0, out)
