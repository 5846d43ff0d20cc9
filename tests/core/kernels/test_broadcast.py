import numpy as np
import pytest

from caffelite.core.kernels import broadcast

RNG = np.random.default_rng(1)
# (outer, S, inner): planes and rows, S small (positions are shared out) and large (S is), longer than a block or not
LARGE = [(2, 3, 30011), (1, 1, 120001), (40, 50, 61), (5, 9001, 3), (40011, 3, 1), (7, 20011, 1)]
SMALL = [(3, 5, 7), (1, 9, 1), (2, 70, 3)]
VALUES = [
    (broadcast.Multiply(), lambda x, w, b: x * w),
    (broadcast.MultiplyAdd(), lambda x, w, b: x * w + b),
    (broadcast.Add(), lambda x, w, b: x + w),
    (broadcast.Normalize(), lambda x, w, b: (x - b) * w),
    (broadcast.Rectify(), lambda x, w, b: np.where(x > 0, x, w * x)),
]
# Threads share the work alike for all rules and number types: one of each is enough, compiling takes seconds.
SIZES = [(shape, dtype) for shape in SMALL for dtype in (np.float32, np.float64)]
LARGE_SIZES = [(shape, np.float32) for shape in LARGE]
CASES = [(*value, *size) for value in VALUES for size in SIZES] + [(*VALUES[1], *size) for size in LARGE_SIZES]


def arrays(shape, dtype):
    x, dy = RNG.normal(size=(2, *shape)).astype(dtype)
    w, b = RNG.normal(size=(2, shape[1])).astype(dtype)
    return x, dy, w, b


@pytest.mark.parametrize(("rule", "plain", "shape", "dtype"), CASES)
def test_values_and_the_copy(rule, plain, shape, dtype):
    x, _, w, b = arrays(shape, dtype)
    top, kept = x.copy(), np.zeros_like(x)
    broadcast.forward(rule, top, w, b, kept, top)
    np.testing.assert_allclose(top, plain(x, w[:, None], b[:, None]), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(kept, x)


@pytest.mark.parametrize(("shape", "dtype"), LARGE_SIZES + SIZES)
def test_gradients(shape, dtype):
    x, dy, w, _ = arrays(shape, dtype)
    w_diff, b_diff, dx = np.full(shape[1], 2, dtype), np.full(shape[1], 3, dtype), dy.copy()
    broadcast.backward(broadcast.Multiply(), x, w, dx, w_diff, b_diff, dx)
    tolerance = (3e-6 if dtype == np.float32 else 1e-13) * (shape[0] * shape[2]) ** 0.5 + 1e-6
    big = dy.astype(np.float64)
    np.testing.assert_allclose(w_diff, 2 + (big * x).sum((0, 2)), rtol=1e-5, atol=tolerance)
    np.testing.assert_allclose(b_diff, 3 + big.sum((0, 2)), rtol=1e-5, atol=tolerance)
    np.testing.assert_array_equal(dx, dy * w[:, None])


def test_makes_only_what_is_wanted():
    x, dy, w, _ = arrays((2, 3, 4), np.float64)
    kept = dy.copy()
    broadcast.backward(broadcast.Multiply(), x, w, dy, None, None, None)
    np.testing.assert_array_equal(dy, kept)
    b_diff = np.zeros(3)
    broadcast.backward(broadcast.Multiply(), x, w, dy, None, b_diff, None)
    np.testing.assert_allclose(b_diff, dy.sum((0, 2)))
    np.testing.assert_array_equal(dy, kept)
