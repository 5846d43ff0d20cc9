"""Sums in a fixed order: the values, the order itself, and lines of every length around the vectors' sizes."""

import numpy as np
import pytest

from caffelite.core.kernels.ir.sums import (
    sum_centred,
    sum_centred_products,
    sum_centred_squares,
    sum_products,
    sum_sizes,
    sum_squares,
    sum_values,
)
from caffelite.core.kernels.jit.compile import kernel

RNG = np.random.default_rng(1)


@kernel
def all_sums(x, y, at, count, centre, out):
    out[0] = sum_values(x, at, count)
    out[1] = sum_sizes(x, at, count)
    out[2] = sum_squares(x, at, count)
    out[3] = sum_products(x, y, at, count)
    out[4] = sum_centred(x, at, count, centre)
    out[5] = sum_centred_squares(x, at, count, centre)
    out[6] = sum_centred_products(x, y, at, count, centre)


def sums_of(x, y, at, count, centre):
    out = np.empty(7, x.dtype)
    all_sums(x, y, at, count, x.dtype.type(centre), out)
    return out


def test_values(dtype):
    x, y = RNG.normal(1, 2, (2, 700)).astype(dtype)
    for at, count in [(3, n) for n in range(135)] + [(0, 700), (1, 699), (5, 512), (700, 0)]:
        big, other = x[at : at + count].astype(np.float64), y[at : at + count].astype(np.float64)
        far = big - 0.5
        terms = [big, abs(big), big * big, big * other, far, far * far, far * other]
        wanted = [values.sum() for values in terms]
        scale = max(1.0, *(abs(values).sum() for values in terms))
        tolerance = scale * (1e-6 if dtype == np.float32 else 1e-14)
        np.testing.assert_allclose(sums_of(x, y, at, count, 0.5), wanted, rtol=0, atol=tolerance)


def in_order(values):
    """The sum of `values` as the docstring says it is added: bits, not only digits."""
    lanes = 32 // values.itemsize
    blocks, rest = divmod(values.size, 4 * lanes)
    totals = np.zeros((4, lanes), values.dtype)
    for block in values[: blocks * 4 * lanes].reshape(blocks, 4, lanes):
        totals += block
    total = (totals[0] + totals[1]) + (totals[2] + totals[3])
    tail = values[values.size - rest :]
    for vector in np.concatenate([tail, np.zeros(-rest % lanes, values.dtype)]).reshape(-1, lanes):
        total = total + vector
    while total.size > 1:
        total = total[: total.size // 2] + total[total.size // 2 :]
    return total[0]


@pytest.mark.parametrize("count", [1, 15, 16, 17, 63, 64, 65, 300, 4096])
def test_the_order_is_fixed(dtype, count):
    x = (RNG.normal(size=count) * 10.0 ** RNG.integers(-4, 5, count)).astype(dtype)
    ours = sums_of(x, x, 0, count, 0.25)
    assert ours[0] == in_order(x)
    assert ours[1] == in_order(abs(x))
    assert ours[4] == in_order(x - dtype(0.25))


def test_what_is_not_finite_is_seen(dtype):
    for value in (np.nan, np.inf):
        x = np.ones(100, dtype)
        x[70] = value
        assert not np.isfinite(sums_of(x, x, 0, 100, 0)[:3]).any()
        assert np.isfinite(sums_of(x, x, 0, 70, 0)).all()  # what lies behind the line is not read
