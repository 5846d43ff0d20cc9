"""Pooling kernels against plain loops over every window."""

import numpy as np
import pytest

from caffelite.core.kernels import pooling
from caffelite.core.kernels.pooling import Window
from caffelite.core.kernels.pooling_windows import LOWEST

# (height, width), (pooled_h, pooled_w), window: padded, rectangular, ragged, strides by shuffle and by single loads
CASES = [
    ((6, 5), (3, 2), Window(2, 3, 2, 2, 0, 0)),
    ((6, 5), (4, 3), Window(3, 3, 2, 2, 1, 1)),
    ((9, 40), (9, 40), Window(3, 3, 1, 1, 1, 1)),
    ((12, 70), (6, 35), Window(2, 2, 2, 2, 0, 0)),
    ((11, 37), (3, 9), Window(5, 7, 4, 4, 1, 2)),
    ((7, 3), (4, 3), Window(4, 2, 2, 1, 3, 1)),
    ((4, 6), (1, 1), Window(4, 6, 1, 1, 0, 0)),
    ((33, 129), (16, 64), Window(3, 3, 2, 2, 0, 0)),
]
# The last window of each row and column lies past the image: kernel 1, stride 2, even size, rounded up.
EMPTY = ((4, 4), (3, 3), Window(1, 1, 2, 2, 0, 0))


# float64 is what the gradient checks of the layers run in, for each kind of pooling
@pytest.fixture(params=[np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
def dtype(request):
    return request.param


@pytest.fixture(params=[(1, 1), (2, 3), (5, 40)], ids=str)
def num_channels(request):
    return request.param


def bounds(index, stride, pad, kernel, size):
    start = index * stride - pad
    return slice(max(start, 0), max(min(start + kernel, size), 0)), min(start + kernel, size + pad) - start


def windows(size, pooled, window):
    """Yield (ph, pw), the rows, the columns and the area of each window."""
    for ph in range(pooled[0]):
        rows, area_h = bounds(ph, window.stride_h, window.pad_h, window.kernel_h, size[0])
        for pw in range(pooled[1]):
            cols, area_w = bounds(pw, window.stride_w, window.pad_w, window.kernel_w, size[1])
            yield (ph, pw), rows, cols, area_h * area_w


def values(*shape, dtype):
    # few different values: ties are frequent, and sums are exact
    return np.random.default_rng(0).integers(-4, 5, shape).astype(dtype)


def assert_max_pools(num_channels, size, pooled, window, dtype):
    bottom = values(*num_channels, *size, dtype=dtype)
    top, argmax = np.full((*num_channels, *pooled), np.nan, dtype), np.zeros((*num_channels, *pooled), np.int32)
    pooling.max_pool_forward(bottom, window, top, argmax)
    numbers = np.arange(size[0] * size[1]).reshape(size)
    top_diff, want = values(*top.shape, dtype=dtype), np.zeros_like(bottom)
    for n, c in np.ndindex(num_channels):
        for (ph, pw), rows, cols, _ in windows(size, pooled, window):
            part = bottom[n, c, rows, cols]
            if part.size == 0:
                assert (top[n, c, ph, pw], argmax[n, c, ph, pw]) == (dtype(LOWEST), -1)
                continue
            place = numbers[rows, cols].flat[part.argmax()]  # numpy's argmax is the first, too
            assert (top[n, c, ph, pw], argmax[n, c, ph, pw]) == (part.max(), place)
            want[n, c].flat[place] += top_diff[n, c, ph, pw]
    bottom_diff = np.full(bottom.shape, np.nan, dtype)
    pooling.max_pool_backward(top_diff, argmax, bottom_diff)
    np.testing.assert_array_equal(bottom_diff, want)


@pytest.mark.parametrize(("size", "pooled", "window"), [*CASES, EMPTY])
def test_max(num_channels, size, pooled, window, dtype):
    assert_max_pools(num_channels, size, pooled, window, dtype)


LARGE = [
    ((40, 37), (2, 2), Window(20, 19, 20, 18, 0, 0)),
    ((33, 41), (1, 1), Window(33, 41, 1, 1, 0, 0)),
    ((21, 35), (2, 3), Window(16, 17, 15, 16, 3, 8)),
]


@pytest.mark.parametrize(("size", "pooled", "window"), LARGE)
def test_max_of_large_windows(size, pooled, window, dtype):
    assert_max_pools((2, 3), size, pooled, window, dtype)


def test_max_of_equal_values_and_of_none_in_large_windows(dtype):
    bottom = np.full((1, 3, 20, 20), 7, dtype)
    bottom[0, 0, :2] = np.nan
    bottom[0, 1] = np.nan
    bottom[0, 2] = -np.inf
    top, argmax = np.empty((1, 3, 1, 1), dtype), np.empty((1, 3, 1, 1), np.int32)
    pooling.max_pool_forward(bottom, Window(20, 20, 1, 1, 0, 0), top, argmax)
    np.testing.assert_array_equal(top.ravel(), np.array([7, LOWEST, LOWEST], dtype))
    assert argmax.ravel().tolist() == [40, -1, -1]


def test_max_of_what_is_not_a_number(dtype):
    bottom = np.array([[np.nan, 1, np.nan, np.nan], [0, np.nan, np.nan, -np.inf]], dtype).reshape(1, 1, 2, 4)
    top, argmax = np.empty((1, 1, 1, 2), dtype), np.empty((1, 1, 1, 2), np.int32)
    pooling.max_pool_forward(bottom, Window(2, 2, 2, 2, 0, 0), top, argmax)
    np.testing.assert_array_equal(top.ravel(), np.array([1, LOWEST], dtype))
    np.testing.assert_array_equal(argmax.ravel(), [1, -1])


@pytest.mark.parametrize(("size", "pooled", "window"), [*CASES, EMPTY])
def test_ave(num_channels, size, pooled, window, dtype):
    bottom = values(*num_channels, *size, dtype=dtype)
    top = np.full((*num_channels, *pooled), np.nan, dtype)
    pooling.ave_pool_forward(bottom, window, top)
    top_diff, back = values(*top.shape, dtype=dtype), np.zeros_like(bottom)
    want = np.zeros_like(top)
    for (ph, pw), rows, cols, area in windows(size, pooled, window):
        if bottom[0, 0, rows, cols].size:
            want[:, :, ph, pw] = bottom[:, :, rows, cols].sum(axis=(2, 3)) / area
            back[:, :, rows, cols] += top_diff[:, :, ph, pw, None, None] / dtype(area)
    tolerance = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(top, want, tolerance, tolerance)
    bottom_diff = np.full(bottom.shape, np.nan, dtype)
    pooling.ave_pool_backward(top_diff, window, bottom_diff)
    np.testing.assert_allclose(bottom_diff, back, tolerance, 8 * tolerance)


def test_nothing_outside_the_arrays_is_used(dtype):
    for size, pooled, window in CASES:
        frame = np.full(size[0] * size[1] + 200, np.inf, dtype)
        bottom = frame[100:-100].reshape(1, 1, *size)
        bottom[...] = -1
        top_frame = np.full(pooled[0] * pooled[1] + 200, 7, dtype)
        top = top_frame[100:-100].reshape(1, 1, *pooled)
        pooling.max_pool_forward(bottom, window, top, np.empty(top.shape, np.int32))
        assert (top == -1).all()
        pooling.ave_pool_forward(bottom, window, top)
        assert (np.abs(top) <= 1).all()
        assert (top_frame[:100] == 7).all() and (top_frame[-100:] == 7).all()


@pytest.mark.parametrize("shape", [(0, 2, 4, 4), (2, 0, 4, 4)], ids=str)
def test_empty_batch(shape, dtype):
    bottom_frame, top_frame, argmax_frame = np.full(200, 7, dtype), np.full(200, 7, dtype), np.full(200, 7, np.int32)
    bottom = bottom_frame[100:100].reshape(shape)
    top, argmax = (frame[100:100].reshape(*shape[:2], 2, 2) for frame in (top_frame, argmax_frame))
    window = Window(2, 2, 2, 2, 0, 0)
    pooling.max_pool_forward(bottom, window, top, argmax)
    pooling.max_pool_backward(top, argmax, bottom)
    pooling.ave_pool_forward(bottom, window, top)
    pooling.ave_pool_backward(top, window, bottom)
    for frame in (bottom_frame, top_frame, argmax_frame):
        assert (frame == 7).all()  # nothing is written where there is nothing
