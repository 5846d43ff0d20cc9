"""Rows added to rows against numpy."""

import numpy as np
import pytest

from caffelite.core.kernels.scatter_add import add_rows


@pytest.mark.parametrize(("count", "rows", "columns"), [(5, 3, 2), (500, 100, 700), (0, 3, 2), (40_000, 7, 3)])
def test_equals_numpy(count, rows, columns, dtype):
    rng = np.random.default_rng(1)
    source, index = rng.integers(-9, 9, (count, columns)).astype(dtype), rng.integers(0, rows, count)
    target = np.ones((rows, columns), dtype)
    want = target.copy()
    np.add.at(want, index, source)
    add_rows(source, index, target)
    np.testing.assert_array_equal(target, want)
