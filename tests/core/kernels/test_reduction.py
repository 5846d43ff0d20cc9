"""Sums along rows against numpy in float64."""

import numba
import numpy as np
import pytest

from caffelite.core.kernels.reduction import PLAIN, SIZES, SQUARES, row_sums

SHAPES = [(1, 1), (5, 4096), (3, 4097), (1, 300_000), (150_000, 1), (0, 3), (3, 0)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kind", "values"), [(PLAIN, lambda x: x), (SIZES, abs), (SQUARES, np.square)])
def test_equals_numpy(shape, kind, values, dtype):
    rows = np.random.default_rng(1).normal(size=shape).astype(dtype)
    want = values(rows.astype(np.float64)).sum(axis=1)
    np.testing.assert_allclose(row_sums(rows, kind), want, rtol=1e-5, atol=1e-3)


def test_does_not_depend_on_the_number_of_threads():
    rows = np.random.default_rng(1).normal(size=(3, 100_000)).astype(np.float32)
    sums, threads = row_sums(rows, PLAIN), numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        np.testing.assert_array_equal(row_sums(rows, PLAIN), sums)
    finally:
        numba.set_num_threads(threads)
