"""The k largest values against a stable sort."""

import numpy as np
import pytest

from caffelite.core.kernels.top_k import k_largest


@pytest.mark.parametrize(("shape", "top_k"), [((3, 7, 1), 7), ((1, 5, 30_000), 2), ((200, 1000, 1), 5), ((2, 1, 3), 1)])
def test_equals_sorting(shape, top_k, dtype):
    values = np.random.default_rng(1).integers(0, 50, shape).astype(dtype)
    order = np.flip(np.argsort(values, axis=1, kind="stable"), 1)[:, :top_k]
    places, largest = np.full(order.shape, -1, dtype), np.full(order.shape, np.nan, dtype)
    k_largest(values, places, largest)
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(largest, np.take_along_axis(values, order, 1))
    places[...] = -1
    k_largest(values, places, None)
    np.testing.assert_array_equal(places, order)


def test_places_are_valid_where_nothing_compares(dtype):
    places = np.full((1, 2, 1), -1, dtype)
    k_largest(np.full((1, 3, 1), np.nan, dtype), places, None)
    assert set(places.ravel()) <= {0, 1, 2}
