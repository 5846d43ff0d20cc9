"""ReLU against numpy, in place and not, short arrays and those that threads share."""

import numpy as np
import pytest

from caffelite.core.kernels import relu

SIZES = [0, 1, 17, 5000, 210_001]


@pytest.fixture(params=SIZES)
def x(request, dtype):
    return np.random.default_rng(0).standard_normal(request.param).astype(dtype)


def both(run, values):
    """Return what run(values, out) gives in an array of its own; assert that it gives the same in place."""
    out, same = np.full_like(values, 7), values.copy()
    run(values, out)
    run(same, same)
    np.testing.assert_array_equal(out, same)
    return out


@pytest.mark.parametrize("slope", [0, 0.25, -0.5])
def test_relu(x, slope):
    top = both(lambda bottom, top: relu.relu_forward(bottom, slope, top), x)
    np.testing.assert_array_equal(top, np.where(x > 0, x, x.dtype.type(slope) * x))
    diff = x[::-1].copy()
    back = both(lambda top_diff, bottom_diff: relu.relu_backward(x, slope, top_diff, bottom_diff), diff)
    np.testing.assert_array_equal(back, np.where(x > 0, diff, x.dtype.type(slope) * diff))


def test_relu_of_what_is_not_a_number(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0], dtype)
    np.testing.assert_array_equal(both(lambda a, b: relu.relu_forward(a, 0, b), x), [np.nan, np.inf, np.nan, 0])
    np.testing.assert_array_equal(both(lambda a, b: relu.relu_forward(a, 0.5, b), x), [np.nan, np.inf, -np.inf, 0])
    diff = np.ones_like(x)
    relu.relu_backward(x, 0.5, diff, diff)
    np.testing.assert_array_equal(diff, [0.5, 1, 0.5, 0.5])
