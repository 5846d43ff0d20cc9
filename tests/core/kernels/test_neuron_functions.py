import numba
import numpy as np
import pytest

from caffelite.core.kernels import neuron_functions

RNG = np.random.default_rng(1)
LONG = 100_003  # shared out, and no whole number of blocks
FUNCTIONS = [
    (neuron_functions.AbsVal(), np.abs),
    (neuron_functions.BNLL(), lambda x: np.logaddexp(0, x)),
    (neuron_functions.BReLU(-0.5, 1), lambda x: np.clip(x, -0.5, 1)),
    (neuron_functions.Clip(-1, 1), lambda x: np.clip(x, -1, 1)),
    (neuron_functions.ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
    (neuron_functions.Exp(2, 0.5), lambda x: 2 * np.exp(0.5 * x)),
    (neuron_functions.Log(2, 0.5, 9), lambda x: 2 * np.log(9 + 0.5 * x)),
    (neuron_functions.Linear(2, 3), lambda x: 3 + 2 * x),
    (neuron_functions.Square(2, 3), lambda x: (3 + 2 * x) ** 2),
    (neuron_functions.Power(3, 1, 0.5, -1), lambda x: (0.5 + x) ** 3),
    (neuron_functions.Power(-2, 1, 0.5, 1), lambda x: (0.5 + x) ** -2),
    (neuron_functions.ReLU6(0.25), lambda x: np.minimum(np.where(x > 0, x, 0.25 * x), 6)),
    (neuron_functions.Sigmoid(), lambda x: 0.5 * np.tanh(0.5 * x) + 0.5),
    (neuron_functions.Swish(2), lambda x: x / (1 + np.exp(-2 * x))),
    (neuron_functions.TanH(), np.tanh),
    (neuron_functions.Threshold(0.5), lambda x: x > 0.5),
]


@pytest.mark.parametrize(("function", "plain"), FUNCTIONS)
def test_values_and_the_copy(dtype, function, plain):
    x = RNG.normal(0, 2, 3001).astype(dtype)
    top, kept = x.copy(), np.zeros_like(x)
    neuron_functions.forward(function, top, kept, top)
    tolerance = 2e-6 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(top, plain(x.astype(np.float64)), rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(kept, x)


def test_bnll_far_below_0_is_as_precise_as_elsewhere():
    x = np.linspace(-80, 0, 3001, dtype=np.float32)
    neuron_functions.forward(neuron_functions.BNLL(), x, x, top := np.empty_like(x))
    np.testing.assert_allclose(top, np.log1p(np.exp(x.astype(np.float64))), rtol=5e-7)


def test_long_arrays_are_shared_out():
    x, dy = RNG.normal(0, 2, (2, LONG)).astype(np.float32)
    before, results = numba.get_num_threads(), []
    for threads in {1, before}:
        numba.set_num_threads(threads)
        top, diff = x.copy(), dy.copy()
        neuron_functions.forward(neuron_functions.Swish(2), top, kept := np.empty_like(x), top)
        neuron_functions.backward(neuron_functions.Swish(2), kept, diff, diff)
        results.append((top, diff))
    numba.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[-1])
    sigmoid = 1 / (1 + np.exp(-2 * x.astype(np.float64)))
    np.testing.assert_allclose(top, x * sigmoid, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(diff, dy * (sigmoid + 2 * x * sigmoid * (1 - sigmoid)), rtol=5e-6, atol=5e-6)


def slope_from_top(function, top, diff):
    """Return the gradient; assert that it is the same where the two diffs are one array."""
    same, out = diff.copy(), np.empty_like(diff)
    neuron_functions.backward(function, top, same, same)
    neuron_functions.backward(function, top, diff, out)
    np.testing.assert_array_equal(out, same)
    return out


@pytest.mark.parametrize("size", [0, 1, 17, 5000, 210_001])
def test_sigmoid(dtype, size):
    x, diff = RNG.standard_normal((2, size)).astype(dtype)
    neuron_functions.forward(neuron_functions.Sigmoid(), x, x, top := np.empty_like(x))
    np.testing.assert_allclose(top, 0.5 * np.tanh(0.5 * x.astype(np.float64)) + 0.5, rtol=2e-6)
    back = slope_from_top(neuron_functions.Sigmoid(), top, diff)
    np.testing.assert_allclose(back, diff * top * (1 - top), rtol=1e-6)


@pytest.mark.parametrize("size", [0, 1, 17, 5000, 210_001])
def test_tanh(dtype, size):
    x, diff = RNG.standard_normal((2, size)).astype(dtype)
    neuron_functions.forward(neuron_functions.TanH(), x, x, top := np.empty_like(x))
    np.testing.assert_allclose(top, np.tanh(x.astype(np.float64)), rtol=2e-7)
    back = slope_from_top(neuron_functions.TanH(), top, diff)
    np.testing.assert_allclose(back, diff * (1 - top * top), rtol=1e-5, atol=1e-7)
