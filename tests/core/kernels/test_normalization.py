import numpy as np
import pytest

from caffelite.core.kernels.normalization import Divisor, Statistics, normalize, normalize_backward

RNG = np.random.default_rng(1)
SHAPES = [(3, 5, 7), (4, 10, 6007), (5, 1, 9001), (50, 700, 1), (1, 3, 1)]


def in_place(x, divisor):
    kept, top = np.zeros_like(x), x.copy()
    statistics = Statistics(*np.empty((3, x.shape[1]), x.dtype))
    normalize(top, divisor, kept, top, statistics)
    np.testing.assert_array_equal(kept, x)
    return top, statistics


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("divisor", [Divisor(0.1, 0.0, True), Divisor(0.0, 0.2, True), Divisor(0.0, 0.0, False)])
def test_values_and_statistics(dtype, shape, divisor):
    x = RNG.normal(3, 2, shape).astype(dtype)
    top, statistics = in_place(x, divisor)
    big = x.astype(np.float64)
    mean, variance = big.mean((0, 2)), big.var((0, 2))
    factor = 1 / (np.sqrt(variance + divisor.inside) + divisor.outside) if divisor.scaled else np.ones(shape[1])
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for ours, wanted in zip(statistics, (mean, variance, factor), strict=True):
        np.testing.assert_allclose(ours, wanted, tolerance, tolerance)
    np.testing.assert_allclose(top, (big - mean[:, None]) * factor[:, None], tolerance, tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spread", [0, 1])
def test_gradient(dtype, shape, spread):
    x, dy = RNG.normal(3, 2, (2, *shape)).astype(dtype)
    _, statistics = in_place(x, Divisor(0.1, 0.0, True))
    dx = dy.copy()
    normalize_backward(x, statistics, np.full(shape[1], spread, dtype), dx, dx)
    big, factor = dy.astype(np.float64), statistics.factor[:, None].astype(np.float64)
    top = (x.astype(np.float64) - statistics.mean[:, None]) * factor
    product = (big * top).mean((0, 2))[:, None]
    wanted = (big - big.mean((0, 2))[:, None] - spread * top * product) * factor
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(dx, wanted, tolerance, tolerance)


def test_large_means_cost_no_precision():
    x = (10_000 + RNG.normal(size=(4, 2, 3000))).astype(np.float32)
    top, statistics = in_place(x, Divisor(0.0, 0.0, True))
    np.testing.assert_allclose(statistics.variance, x.astype(np.float64).var((0, 2)), rtol=1e-3)
    np.testing.assert_allclose(top.std((0, 2)), 1, rtol=1e-3)
