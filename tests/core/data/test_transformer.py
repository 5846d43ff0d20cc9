from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.data.augmentation import Augmentation
from caffelite.core.data.draws import record_bits
from caffelite.core.data.transformer import DataTransformer
from caffelite.core.errors import LayerError
from caffelite.proto.caffe_pb2 import TEST, TRAIN, AugmentationParameter, TransformationParameter


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


def interleaved(image):
    """The same image as a view of (H, W, C), as OpenCV has it."""
    return np.ascontiguousarray(image.transpose(1, 2, 0)).transpose(2, 0, 1)


@pytest.mark.parametrize("image_dtype", [np.uint8, np.float32, np.float64, np.int16])
@pytest.mark.parametrize("mean", ["", "mean_value: 7.3", "mean_value: 1 mean_value: 2 mean_value: 3", "file"])
def test_any_image_equals_numpy_bit_for_bit(mean, image_dtype, dtype):
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (3, 9, 21)).astype(image_dtype)
    file = (random.random((3, 9, 21)) * 255).astype(dtype) if mean == "file" else None
    text = "crop_size: 6 scale: 0.3 " + mean.removeprefix("file")
    made = transformer(text, dtype=dtype, mean=file)
    values = np.array([float(word) for word in mean.split() if word[0].isdigit()], np.float32)
    wanted = image[:, 1:7, 7:13].astype(dtype)
    if mean:
        wanted = wanted - (values.astype(dtype).reshape(-1, 1, 1) if file is None else file[:, 1:7, 7:13])
    wanted = wanted * dtype(np.float32(0.3))
    for view in (image, interleaved(image), np.repeat(image, 2, axis=2)[:, :, ::2]):
        view.flags.writeable = False
        np.testing.assert_array_equal(transformed(made, view), wanted)


def test_many_images_at_once():
    images = np.random.default_rng(1).integers(0, 256, (5, 3, 7, 8), dtype=np.uint8)
    made = transformer("crop_size: 4 mean_value: 3")
    each = np.stack([transformed(made, image) for image in images])
    for many in (images, np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)):
        out = np.empty((5, 3, 4, 4), np.float32)
        made.transform(many, 0, out)
        np.testing.assert_array_equal(out, each)
    with pytest.raises(ValueError, match="differ in number"):
        made.transform(images, 0, np.empty((4, 3, 4, 4), np.float32))


def test_out_may_be_any_array():
    """A view of every second column, and another number type."""
    made, image = transformer("scale: 0.5"), ramp(3, 4, 5)
    for out in (np.empty((3, 4, 10), np.float32)[:, :, ::2], np.empty((3, 4, 5), np.float64)):
        made.transform(image, 0, out)
        np.testing.assert_array_equal(out, image / 2)


def test_threads_transform_at_once():
    """Images of several shapes, so that each thread finds what another prepared."""
    made = transformer("crop_size: 8 mirror: true mean_value: 9 augmentation { contrast { amount: 0.5 } }", TRAIN)
    images = [
        np.random.default_rng(side).integers(0, 256, (3, side, side + 1), dtype=np.uint8) for side in range(8, 24)
    ]
    wanted = [transformed(made, images[record % 16], record) for record in range(400)]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda record: transformed(made, images[record % 16], record), range(400)))
    np.testing.assert_array_equal(got, wanted)


EVERYTHING = """
rotation { degrees: 10 } zoom { min: 0.5 max: 2 } aspect { ratio: 1.5 } brightness { amount: 0.1 }
contrast { amount: 0.2 } saturation { amount: 0.3 } hue { degrees: 20 } noise { std: 4 } cutout { size: 3 count: 2 }
"""
MEANS = "mean_value: 90 mean_value: 100 mean_value: 110 scale: 0.25 "


def augmented(augmentation, record=0, image=None, text=MEANS + "crop_size: 16 mirror: true ", phase=TRAIN, **more):
    made = transformer(f"{text} augmentation {{ {augmentation} }}", phase, **more)
    return transformed(made, smooth() if image is None else image, record)


def smooth(height=24, width=28):
    h, w, c = np.mgrid[:height, :width, :3]
    return (110 + 50 * np.sin(h / 5 + c) + 40 * np.cos(w / 6 - c)).astype(np.uint8).transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("augmentation", "phase"), [("", TRAIN), (EVERYTHING.replace("}", "probability: 0 }"), TRAIN), (EVERYTHING, TEST)]
)
def test_no_augmentation_is_as_before_bit_for_bit(augmentation, phase):
    plain = transformer(MEANS + "crop_size: 16 mirror: true", phase)
    for record in range(20):
        np.testing.assert_array_equal(
            augmented(augmentation, record, phase=phase), transformed(plain, smooth(), record)
        )


def test_augmentation_depends_on_key_and_record_alone(dtype):
    pytest.importorskip("cv2")
    first = augmented(EVERYTHING, 3, dtype=dtype)
    assert first.dtype == dtype and np.isfinite(first).all()
    assert augmented(EVERYTHING, 3, dtype=dtype).tobytes() == first.tobytes()
    assert augmented(EVERYTHING, 4, dtype=dtype).tobytes() != first.tobytes()
    assert augmented(EVERYTHING, 3, dtype=dtype, key=2).tobytes() != first.tobytes()
    np.testing.assert_allclose(augmented(EVERYTHING, 3, interleaved(smooth()), dtype=dtype), first, atol=1)


@pytest.mark.parametrize("phase_mirror", [0, 1])
def test_factors_are_about_the_crop_that_is_drawn_without_them(phase_mirror):
    """One of the first records that is mirrored, one that is not."""
    plain = transformer("crop_size: 16 mirror: true", TRAIN)
    record = next(r for r in range(20) if record_bits(1, r) >> 63 == phase_mirror)
    pixels = transformed(plain, smooth(), record)
    means = np.array([90, 100, 110]).reshape(3, 1, 1)
    got = augmented("brightness { amount: 0.5 }", record)
    factor = Augmentation(text_format.Parse("brightness { amount: 0.5 }", AugmentationParameter())).values(1, record)
    np.testing.assert_allclose(got, (np.clip(pixels * factor.brightness, 0, 255) - means) / 4, rtol=1e-5, atol=1e-4)


def test_a_mean_file_is_subtracted_where_the_crop_was_cut():
    pytest.importorskip("cv2")
    mean = (np.arange(3 * 24 * 28).reshape(3, 24, 28) / 10).astype(np.float32)
    text = "crop_size: 16 mirror: true "
    for augmentation in (
        "rotation { degrees: 20 }",
        "contrast { amount: 0.5 }",
        "rotation { degrees: 9 } hue { degrees: 9 }",
    ):
        for record in range(6):
            got = augmented(augmentation, record, text=text, mean=mean)
            pixels = augmented(augmentation, record, text=text)
            plain = transformed(transformer(text, TRAIN), mean, record)  # the mean's own crop, mirrored
            np.testing.assert_allclose(got, pixels - plain, atol=1e-3)


def test_cutout_is_what_the_net_gets_as_nothing():
    plain = transformer(MEANS + "crop_size: 16 mirror: true", TRAIN)
    for record in range(10):
        got, before = augmented("cutout { size: 6 }", record), transformed(plain, smooth(), record)
        cut = (got == 0).all(axis=0)
        rows, columns = cut.any(axis=1).sum(), cut.any(axis=0).sum()
        assert 3 <= rows <= 6 and 3 <= columns <= 6 and cut.sum() == rows * columns
        np.testing.assert_array_equal(got[:, ~cut], before[:, ~cut])


@pytest.mark.parametrize("name", ["saturation { amount: 1 }", "hue { degrees: 9 }"])
def test_colours_are_for_three_channels(name):
    with pytest.raises(LayerError, match=rf"augmentation.{name.split()[0]} is set; it is for 3 channels.* have 1"):
        augmented(name, image=ramp(1, 20, 20), text="")


@pytest.mark.parametrize("name", ["brightness { amount: 1 }", "noise { std: 1 }", "contrast { amount: 1 }"])
def test_values_are_changed_in_images_of_8_bits(name):
    with pytest.raises(
        LayerError, match=rf"augmentation.{name.split()[0]} is set; it is for images of 8 bits.*float32"
    ):
        augmented(name, image=np.zeros((1, 20, 20), np.float32), text="")


def test_refuses_a_square_that_could_cover_the_image():
    with pytest.raises(LayerError, match=r"cutout.size is 16; the images are 16 x 16 after cropping"):
        augmented("cutout { size: 16 }")


def test_a_bad_field_is_refused_in_test_too():
    with pytest.raises(LayerError, match=r"augmentation.rotation.degrees is 300; use 0 to 180"):
        augmented("rotation { degrees: 300 }", phase=TEST)


@pytest.mark.parametrize("layout", [np.ascontiguousarray, interleaved])
@pytest.mark.parametrize("phase", [TRAIN, TEST])
@pytest.mark.parametrize("mean", [None, np.arange(3 * 24 * 28, dtype=np.float32).reshape(3, 24, 28) / 20])
def test_pictures_are_the_way_back(mean, phase, layout):
    means = "scale: 0.017 crop_size: 16 mirror: true " + ("mean_value: 104.5" if mean is None else "")
    made, plain = transformer(means, phase, mean=mean), transformer("crop_size: 16 mirror: true", phase)
    batch = np.stack([transformed(made, layout(smooth()), record) for record in range(8)])
    pictures = made.pictures(batch, range(8))
    assert pictures.dtype == np.uint8
    wanted = [transformed(plain, smooth(), record).transpose(1, 2, 0) for record in range(8)]
    np.testing.assert_array_equal(pictures, wanted)


def test_pictures_show_augmentation():
    made = transformer(MEANS + "crop_size: 16 augmentation { brightness { amount: 1 } cutout { size: 5 } }", TRAIN)
    batch = np.stack([transformed(made, smooth(), record) for record in range(8)])
    pictures = made.pictures(batch, range(8))
    for picture in pictures:
        assert (picture == (90, 100, 110)).all(axis=2).sum() >= 6
    assert np.ptp(pictures.mean(axis=(1, 2, 3))) > 50


def test_no_pictures_of_nothing():
    with pytest.raises(LayerError, match=r"scale is 0; no picture"):
        transformer("scale: 0").pictures(np.zeros((1, 3, 4, 4)), [0])
    with pytest.raises(ValueError, match="no image has been transformed"):
        transformer().pictures(np.zeros((1, 3, 4, 4)), [0])


@pytest.mark.parametrize("text", ["scale: 2 mean_value: 1", "crop_size: 2 mirror: true"])
def test_many_images_become_what_each_becomes_alone(text):
    made = transformer(text, TRAIN)
    images = np.random.default_rng(1).integers(0, 256, (9, 3, 4, 5), np.uint8)
    together = np.full((9, *made.shape_of((3, 4, 5))), np.nan, np.float32)
    made.transform_all(images, range(40, 49), together)
    alone = [transformed(made, image, 40 + index) for index, image in enumerate(images)]
    np.testing.assert_array_equal(together, alone)
