import numpy as np
import pytest

from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.convolution.im2col import col2im, col2im_nd, im2col, im2col_nd, tap_table

# height and width of kernel, stride, pad, dilation
WINDOWS = [
    (2, 2, 1, 1, 0, 0, 1, 1),
    (3, 2, 2, 1, 1, 0, 1, 2),
    (1, 3, 3, 2, 0, 2, 1, 1),
    (3, 3, 2, 2, 4, 1, 2, 1),
]


def geometry_of(window):
    return Geometry(1, 2, 5, 6, 1, 1, *window)


def empty_columns(geometry, dtype):
    return np.full((2 * geometry.taps, geometry.out_height, geometry.out_width), 9, dtype)


def test_columns_of_a_small_image(dtype):
    image = np.arange(1, 10, dtype=dtype).reshape(1, 3, 3)
    columns = np.empty((4, 2, 2), dtype)
    im2col(image, Geometry(1, 1, 3, 3, 1, 1, 2, 2, 1, 1, 0, 0, 1, 1), columns)
    np.testing.assert_array_equal(columns.reshape(4, 4), [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]])


@pytest.mark.parametrize("window", WINDOWS)
def test_taps_outside_are_zero_and_others_in_place(window, dtype):
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w = window
    geometry = geometry_of(window)
    image = np.arange(1, 61, dtype=dtype).reshape(2, 5, 6)
    columns = empty_columns(geometry, dtype)
    im2col(image, geometry, columns)
    padded = np.pad(image, [(0, 0), (pad_h, pad_h + 9), (pad_w, pad_w + 9)])
    for c, i, j, p, q in np.ndindex(2, kernel_h, kernel_w, *columns.shape[1:]):
        expected = padded[c, p * stride_h + i * dilation_h, q * stride_w + j * dilation_w]
        assert columns[(c * kernel_h + i) * kernel_w + j, p, q] == expected


@pytest.mark.parametrize("window", WINDOWS)
def test_col2im_is_the_transpose(window, dtype):
    geometry = geometry_of(window)
    rng = np.random.default_rng(1)
    image, columns = rng.random((2, 5, 6)).astype(dtype), empty_columns(geometry, dtype)
    im2col(image, geometry, columns)
    weights = rng.random(columns.shape).astype(dtype)
    back = np.full_like(image, 9)
    col2im(weights, geometry, back)
    np.testing.assert_allclose((columns * weights).sum(), (image * back).sum(), rtol=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_general_form_equals_the_two_axis_form(window, dtype):
    geometry = geometry_of(window)
    pairs = [window[0:2], window[2:4], window[4:6], window[6:8]]
    table = tap_table((5, 6), *pairs, (geometry.out_height, geometry.out_width))
    rng = np.random.default_rng(1)
    image, flat = rng.random((2, 5, 6)).astype(dtype), empty_columns(geometry, dtype)
    im2col(image, geometry, flat)
    general = np.full((flat.shape[0], flat[0].size), 9, dtype)
    im2col_nd(image.reshape(2, -1), table, general)
    np.testing.assert_array_equal(general, flat.reshape(general.shape))
    flat_back, general_back = np.full_like(image, 9), np.full_like(image, 9)
    col2im(flat, geometry, flat_back)
    col2im_nd(general, table, general_back.reshape(2, -1))
    np.testing.assert_array_equal(general_back, flat_back)


def test_table_of_one_axis():
    expected = [[-1, 1, 3], [0, 2, -1]]
    np.testing.assert_array_equal(tap_table((4,), (2,), (2,), (1,), (1,), (3,)), expected)


def test_table_without_axes_is_the_one_pixel():
    np.testing.assert_array_equal(tap_table((), (), (), (), (), ()), [[0]])


def test_table_of_three_axes():
    table = tap_table((2, 3, 4), (1, 2, 1), (1, 1, 3), (0, 0, 0), (1, 1, 1), (2, 2, 2))
    np.testing.assert_array_equal(table, [[0, 3, 4, 7, 12, 15, 16, 19], [4, 7, 8, 11, 16, 19, 20, 23]])
