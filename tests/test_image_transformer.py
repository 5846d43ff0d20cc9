import numpy as np
import pytest

from caffelite.core.data.resize import resize_image
from caffelite.core.errors import CaffeliteError
from caffelite.io import Transformer

RNG = np.random.default_rng(5)
IMAGE = RNG.random((4, 5, 3)).astype(np.float32)
MEAN = np.array([104.0, 117.0, 123.0])


def caffenet(shape=(1, 3, 4, 5), **options):
    """Return a Transformer with all that CaffeNet's scripts set, in an order of their own."""
    transformer = Transformer({"data": shape}, **options)
    transformer.set_mean("data", MEAN)
    transformer.set_channel_swap("data", (2, 1, 0))
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_raw_scale("data", 255.0)
    transformer.set_input_scale("data", 0.5)
    return transformer


def test_all_steps_in_caffe_s_order():
    made = caffenet().preprocess("data", IMAGE)
    wanted = (IMAGE.transpose(2, 0, 1)[[2, 1, 0]] * 255 - MEAN[:, None, None]) * 0.5
    assert (made.shape, made.dtype) == ((3, 4, 5), np.float32)
    np.testing.assert_allclose(made, wanted, rtol=1e-6, atol=1e-5)


def test_back_to_the_image():
    transformer = caffenet()
    made = transformer.preprocess("data", IMAGE)
    for data in (made, made[np.newaxis]):
        back = transformer.deprocess("data", data)
        assert back.shape == IMAGE.shape
        np.testing.assert_allclose(back, IMAGE, atol=2e-7)


def test_a_swap_that_is_not_its_own_inverse():
    transformer = Transformer({"data": (1, 3, 4, 5)})
    transformer.set_transpose("data", (1, 2, 0))
    transformer.inputs["data"] = (1, 5, 3, 4)  # as this order of axes makes it
    made = transformer.preprocess("data", IMAGE.reshape(3, 4, 5))
    assert made.shape == (4, 5, 3)
    np.testing.assert_array_equal(transformer.deprocess("data", made), IMAGE.reshape(3, 4, 5))
    transformer = Transformer({"data": (1, 3, 4, 5)})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (1, 2, 0))
    made = transformer.preprocess("data", IMAGE)
    np.testing.assert_array_equal(made[0], IMAGE[:, :, 1])
    np.testing.assert_array_equal(transformer.deprocess("data", made), IMAGE)


def test_nothing_is_set():
    transformer = Transformer({"data": (1, 4, 5, 3)})
    transformer.inputs = {"data": (1, 3, 4, 5)}
    np.testing.assert_array_equal(transformer.preprocess("data", IMAGE), IMAGE)


def test_the_caller_s_image_stays():
    transformer = Transformer({"data": (1, 3, 4, 5)})
    transformer.set_raw_scale("data", 255)
    transformer.set_mean("data", np.float32([[[1]]]))
    image = IMAGE.copy()
    made = transformer.preprocess("data", image)
    np.testing.assert_array_equal(image, IMAGE)
    assert not np.shares_memory(made, image)
    kept = made.copy()
    transformer.deprocess("data", made)
    np.testing.assert_array_equal(made, kept)


def test_integers_are_numbers():
    transformer = caffenet()
    bytes_ = (IMAGE * 255).astype(np.uint8)
    np.testing.assert_array_equal(
        transformer.preprocess("data", bytes_), transformer.preprocess("data", bytes_.astype(np.float32))
    )
    back = transformer.deprocess("data", np.ones((3, 4, 5), int))
    np.testing.assert_allclose(back[0, 0], (2 + MEAN[::-1]) / 255, rtol=1e-6)


def test_other_sizes_are_resized():
    made = caffenet((10, 3, 2, 3)).preprocess("data", IMAGE)
    wanted = caffenet((10, 3, 2, 3)).preprocess("data", resize_image(IMAGE, (2, 3)))
    np.testing.assert_array_equal(made, wanted)
    smooth = caffenet((10, 3, 2, 3), anti_aliasing=True).preprocess("data", IMAGE)
    np.testing.assert_array_equal(
        smooth, caffenet((10, 3, 2, 3)).preprocess("data", resize_image(IMAGE, (2, 3), anti_aliasing=True))
    )
    assert np.abs(smooth - made).max() > 1


def test_shapes_as_lists_are_the_same():
    np.testing.assert_array_equal(
        caffenet([1, 3, 4, 5]).preprocess("data", IMAGE), caffenet().preprocess("data", IMAGE)
    )


def test_one_channel_there_and_back():
    transformer = Transformer({"data": (1, 1, 4, 5)})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_mean("data", np.ones((4, 5)))
    made = transformer.preprocess("data", IMAGE[:, :, :1])
    np.testing.assert_array_equal(made, IMAGE[:, :, :1].transpose(2, 0, 1) - 1)
    back = transformer.deprocess("data", made[np.newaxis])
    np.testing.assert_allclose(back, IMAGE[:, :, :1], atol=1e-7)


def test_one_channel_without_a_transpose():
    transformer = Transformer({"data": (1, 1, 4, 5)})
    assert transformer.deprocess("data", np.ones((1, 1, 4, 5))).shape == (4, 5)


def test_the_settings_can_be_read():
    transformer = caffenet()
    assert transformer.inputs == {"data": (1, 3, 4, 5)}
    assert transformer.transpose == {"data": (2, 0, 1)}
    assert transformer.channel_swap == {"data": (2, 1, 0)}
    assert (transformer.raw_scale, transformer.input_scale) == ({"data": 255.0}, {"data": 0.5})
    np.testing.assert_array_equal(transformer.mean["data"], MEAN[:, np.newaxis, np.newaxis])


@pytest.mark.parametrize("mean", [MEAN, MEAN.tolist(), MEAN.astype(np.float32), MEAN[:, None, None]])
def test_a_mean_value_for_each_channel(mean):
    transformer = Transformer({"data": (1, 3, 4, 5)})
    transformer.set_mean("data", mean)
    assert transformer.mean["data"].shape == (3, 1, 1)
    np.testing.assert_array_equal(transformer.mean["data"].ravel(), MEAN)


def test_a_mean_image():
    transformer = Transformer({"data": (1, 3, 4, 5)})
    mean = RNG.random((3, 4, 5))
    transformer.set_mean("data", mean)
    assert transformer.mean["data"] is mean
    transformer.set_mean("data", mean[:1])  # one for all channels
    assert transformer.mean["data"].shape == (1, 4, 5)


def test_a_mean_image_of_another_size_is_resized():
    transformer = Transformer({"data": (1, 3, 4, 5)})
    mean = RNG.random((3, 8, 8)) * 9 + 100
    transformer.set_mean("data", mean)
    set_ = transformer.mean["data"]
    assert (set_.shape, set_.dtype) == ((3, 4, 5), np.float32)
    low, high = mean.min(), mean.max()
    as_caffe = resize_image(((mean - low) / (high - low)).transpose(1, 2, 0), (4, 5)).transpose(2, 0, 1)
    np.testing.assert_allclose(set_, as_caffe * (high - low) + low, rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 8, 8), (8, 8)])
def test_a_constant_mean_stays_constant(shape):
    transformer = Transformer({"data": (1, shape[0] if len(shape) == 3 else 1, 4, 5)})
    transformer.set_mean("data", np.full(shape, 7.0))
    assert transformer.mean["data"].shape[1:] == (4, 5)
    np.testing.assert_array_equal(transformer.mean["data"], np.float32(7))


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("set_transpose", (2, 0), 'transpose is (2, 0); "data" needs each of 0 to 2 once'),
        ("set_transpose", (2, 0, 0), 'transpose is (2, 0, 0); "data" needs each of 0 to 2 once'),
        ("set_channel_swap", (1, 0), 'channel_swap is (1, 0); "data" needs the same number of dimensions as it has'),
        ("set_channel_swap", (1, 2, 3), "channel_swap is (1, 2, 3); "),
        ("set_mean", [1.0, 2.0], 'Mean channels incompatible with input: 2, and "data" has 3'),
        ("set_mean", [1.0], 'Mean channels incompatible with input: 1, and "data" has 3'),
        ("set_mean", np.ones((2, 4, 5)), 'Mean channels incompatible with input: 2, and "data" has 3'),
        (
            "set_mean",
            np.ones((1, 3, 4, 5)),
            "Mean shape invalid: (1, 3, 4, 5); use (C), (H, W) or (C, H, W); give mean",
        ),
        ("set_mean", 5.0, "Mean shape invalid: ()"),
        ("set_mean", "mean.npy", "a mean is an array of numbers, not 'mean.npy'; read a file by"),
    ],
)
def test_refusals(setting, value, message):
    with pytest.raises(ValueError) as caught:
        getattr(Transformer({"data": (1, 3, 4, 5)}), setting)("data", value)
    assert message in str(caught.value)


def test_images_that_do_not_fit():
    transformer = caffenet()
    with pytest.raises(
        ValueError, match=r"an image of the shape \(4, 5\) does not fit; write image\[:, :, np.newaxis\]"
    ):
        transformer.preprocess("data", IMAGE[:, :, 0])
    with pytest.raises(
        ValueError, match=r'"data" has 3 channels to swap, and an image of the shape \(4, 5, 1\) gives 1'
    ):
        transformer.preprocess("data", IMAGE[:, :, :1])


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.preprocess("dta", IMAGE),
        lambda t: t.deprocess("dta", IMAGE),
        lambda t: t.set_transpose("dta", (2, 0, 1)),
        lambda t: t.set_channel_swap("dta", (2, 1, 0)),
        lambda t: t.set_raw_scale("dta", 255),
        lambda t: t.set_mean("dta", MEAN),
        lambda t: t.set_input_scale("dta", 1),
    ],
)
def test_an_unknown_input(call):
    with pytest.raises(CaffeliteError) as caught:
        call(Transformer({"data": (1, 3, 4, 5), "label": (1, 1)}))
    assert str(caught.value) == '"dta" is not one of the net inputs: data, label; did you mean "data"?'


def test_an_input_named_by_a_number():
    with pytest.raises(CaffeliteError, match='^"3" is not one of the net inputs: data$'):
        Transformer({"data": (1, 3, 4, 5)}).set_raw_scale(3, 255)


def test_an_input_without_height_and_width():
    transformer = Transformer({"x": (2, 5)})
    transformer.set_raw_scale("x", 2)
    np.testing.assert_array_equal(transformer.preprocess("x", [1, 2, 3, 4, 5]), [2, 4, 6, 8, 10])
