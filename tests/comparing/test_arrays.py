import math

import numpy as np
import pytest

from caffelite.comparing.arrays import difference


def test_by_hand():
    found = difference(np.array([3.0, 4, 0]), np.array([3.0, 3, 0]))
    assert found[:3] == (1, 1.0, 1 / 5)
    assert found.stds == pytest.approx((math.sqrt(26 / 9), math.sqrt(2)))


def test_equal_arrays_and_what_is_no_number():
    values = np.array([[1, np.nan, np.inf, -np.inf, 0]], np.float32)
    assert difference(values, values.copy())[:3] == (0, 0, 0)
    found = difference(values, np.array([[1, 2, -np.inf, -np.inf, 0]]))
    assert found[:2] == (2, math.inf)


def test_tolerance():
    first, second = np.array([100.0, 1, 0]), np.array([101.0, 1.02, 0])
    assert [difference(first, second, share).differing for share in (0, 0.005, 0.01, 0.015, 0.1)] == [2, 2, 1, 1, 0]
    assert difference(np.zeros(1), np.array([1e-30]), 0.5).differing == 1  # of 0 there is no share


def test_a_difference_from_nothing():
    assert difference(np.zeros(2), np.ones(2)).relative == math.inf
    assert difference(np.zeros(0), np.zeros(0))[:3] == (0, 0, 0)
