import numpy as np
import pytest

from caffelite.core.errors import LayerError, UsageError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up, spread_values


def im2col(fields, dtype=np.float64):
    return layer_from(f'type: "Im2col" convolution_param {{ {fields} }}', dtype)


FORCE_ND = ["force_nd_im2col: false", "force_nd_im2col: true"]


def test_equals_caffe(assert_equals_golden, dtype):
    assert_equals_golden("im2col", dtype)


def test_shape():
    assert run_forward(im2col("kernel_size: 3 stride: 2 dilation: 3"), np.zeros((2, 3, 10, 11))).shape == (2, 27, 2, 3)


@pytest.mark.parametrize("force_nd", FORCE_ND)
@pytest.mark.parametrize(("window", "kernel_h"), [("kernel_size: 3", 3), ("kernel_h: 5 kernel_w: 3", 5)])
def test_the_first_window(window, kernel_h, force_nd, dtype):
    bottom = spread_values((2, 3, 6, 5))
    top = run_forward(im2col(f"{window} stride: 2 {force_nd}", dtype), blob_of(bottom, dtype))
    for c in range(9 * kernel_h // 3 * 3):
        expected = bottom[0, c // (3 * kernel_h), c // 3 % kernel_h, c % 3]
        np.testing.assert_allclose(top.data[0, c, 0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("force_nd", FORCE_ND)
@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((2, 3, 6, 5), "kernel_size: 3 stride: 2"),
        ((1, 3, 10, 9), "kernel_size: 3 stride: 2 dilation: 3"),
        ((2, 3, 6, 5), "kernel_h: 5 kernel_w: 3 stride: 2 pad: 1"),
        ((2, 2, 3, 4, 3), "kernel_size: 2 pad: 1 axis: 1"),
        ((2, 2, 3, 4, 3), "kernel_size: 2 axis: 2"),
        ((2, 1, 6), "kernel_size: 3 stride: 2 pad: 1"),
    ],
)
def test_gradient(shape, fields, force_nd):
    check_gradient(im2col(f"{fields} {force_nd}"), [spread_values(shape)], threshold=1e-6)


def test_size_may_change():
    layer = im2col("kernel_size: 3")
    bottom = blob_of(spread_values((2, 3, 6, 5)))
    top = set_up(layer, [bottom])
    bottom.reshape(1, 3, 3, 4)
    layer.reshape([bottom], top)
    layer.forward([bottom], top)
    np.testing.assert_array_equal(top[0].data[0, :, 0, 1], bottom.data[0, :, :, 1:].ravel())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("kernel_size: 3 axis: 3", r"convolution_param\.axis is 3; there must be a spatial axis after it"),
        (
            "kernel_size: 7",
            r"convolution_param\.kernel_size is 7 x 7; its extent of 7 x 7 pixels does not fit a bottom",
        ),
        ("", r"convolution_param\.kernel_size is not set"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(im2col(fields), np.zeros((2, 3, 6, 5)))


def test_columns_are_what_the_top_holds():
    layer = im2col("kernel_size: 2 stride: 2 pad: 1")
    image = spread_values((2, 3, 5, 4))
    top = run_forward(layer, image)
    np.testing.assert_array_equal(layer.columns(image[1]), top.data[1].reshape(1, 12, -1))
    with pytest.raises(
        UsageError, match=r"the sample is of shape \(3, 4\); give one image of the bottom, of shape \(3, 5, 4\)"
    ):
        layer.columns(image[0, :, 0])


def test_formula():
    layer = im2col("kernel_h: 3 kernel_w: 2 stride: 2")
    bottom = [blob_of(spread_values((1, 3, 5, 4)))]
    assert layer.formula_with_numbers(bottom, set_up(layer, bottom)) == (
        "y[n, c * 6 + i * 2 + j, p, q] = x[n, c, 2 * p + i, 2 * q + j], i < 3, j < 2"
    )
