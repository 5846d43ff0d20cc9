"""Accuracy in units in the last place against float64, and what is not a number."""

import numpy as np
import pytest

from caffelite.core.kernels.ir import math
from caffelite.core.kernels.jit.compile import kernel

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, -3e38, 89.0, 88.8, -104.5, 1.0, -1.0]


@kernel
def exp(x, out):
    for i in range(x.size):
        out[i] = math.exp(x[i])


@kernel
def log(x, out):
    for i in range(x.size):
        out[i] = math.log(x[i])


@kernel
def tanh(x, out):
    for i in range(x.size):
        out[i] = math.tanh(x[i])


@kernel
def sigmoid(x, out):
    for i in range(x.size):
        out[i] = math.sigmoid(x[i])


@kernel
def logistic(x, out):
    for i in range(x.size):
        out[i] = math.logistic(x[i])


def reference_sigmoid(x):
    return 0.5 * np.tanh(0.5 * x) + 0.5


def reference_logistic(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def spread(low, high, count=20000):
    return np.random.default_rng(0).uniform(low, high, count)


CASES = [
    (exp, np.exp, np.concatenate([spread(-103, 88.7), spread(-1, 1)])),
    (log, np.log, np.concatenate([np.exp(spread(-103, 88)), spread(0.5, 2)])),
    (tanh, np.tanh, np.concatenate([spread(-12, 12), spread(-1, 1), np.exp(spread(-80, 0))])),
    (sigmoid, reference_sigmoid, spread(0, 30)),
    (logistic, reference_logistic, spread(-87, 30)),
]


@pytest.mark.parametrize(("ours", "reference", "x"), CASES, ids=["exp", "log", "tanh", "sigmoid", "logistic"])
def test_float32_is_within_two_units(ours, reference, x):
    x = x.astype(np.float32)
    out = np.empty_like(x)
    ours(x, out)
    want = reference(x.astype(np.float64))
    units = np.spacing(np.maximum(np.abs(want), 2.0**-126).astype(np.float32))
    assert (np.abs(out - want) <= 2 * units).all()


@pytest.mark.parametrize(("ours", "reference", "x"), CASES, ids=["exp", "log", "tanh", "sigmoid", "logistic"])
def test_float64_is_the_c_library(ours, reference, x):
    out = np.empty_like(x)
    ours(x, out)
    np.testing.assert_allclose(out, reference(x), rtol=1e-15, atol=1e-300)


@pytest.mark.parametrize(("ours", "reference", "x"), CASES, ids=["exp", "log", "tanh", "sigmoid", "logistic"])
def test_what_is_not_a_number(ours, reference, x, dtype):
    x = np.array(SPECIAL, dtype)
    out = np.empty_like(x)
    ours(x, out)
    with np.errstate(all="ignore"):
        want = reference(x.astype(np.float64)).astype(dtype)
    np.testing.assert_allclose(out, want, rtol=2e-7)
    np.testing.assert_array_equal(np.signbit(out[:2]), np.signbit(want[:2]))


def test_sigmoid_far_below_zero_is_zero():
    x = np.array([-30.0, -100.0], np.float32)
    out = np.empty_like(x)
    sigmoid(x, out)
    np.testing.assert_array_equal(out, 0)
