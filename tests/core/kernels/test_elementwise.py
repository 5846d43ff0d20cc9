"""Sums, products and copies against numpy, short arrays and those that threads share."""

import numpy as np
import pytest

from caffelite.core.kernels import elementwise


@pytest.fixture(params=[0, 3, 210_001])
def terms(request, dtype):
    generator = np.random.default_rng(0)
    return [generator.integers(-3, 4, request.param).astype(dtype) for _ in range(4)]


def test_sums(terms):
    a, b, c, d = terms
    out = np.full_like(a, np.nan)
    elementwise.weighted_sum(2, a, -0.5, b, out)
    np.testing.assert_array_equal(out, 2 * a - 0.5 * b)
    elementwise.add_scaled(3, c, out)
    np.testing.assert_array_equal(out, 2 * a - 0.5 * b + 3 * c)
    elementwise.scale(-1.5, a, out)
    np.testing.assert_array_equal(out, -1.5 * a)
    for count in (1, 2, 3, 4):
        elementwise.sum_of(terms[:count], out)
        np.testing.assert_array_equal(out, sum(terms[:count]))


def test_products(terms):
    a, b, c, _ = terms
    out = np.full_like(a, np.nan)
    elementwise.multiply(a, b, out)
    elementwise.multiply_by(c, out)
    np.testing.assert_array_equal(out, a * b * c)


def test_largest(terms):
    out, winner = np.full_like(terms[0], np.nan), np.full(terms[0].shape, -1, np.int32)
    elementwise.largest_of(terms, out, winner)
    np.testing.assert_array_equal(out, np.max(terms, axis=0))
    want = np.where(terms[0] > terms[1], 0, 1)
    for index in (2, 3):
        want = np.where(terms[index] > np.max(terms[:index], axis=0), index, want)
    np.testing.assert_array_equal(winner, want)
    for index in range(4):
        elementwise.where_winner(terms[1], winner, index, out)
        np.testing.assert_array_equal(out, np.where(winner == index, terms[1], 0))


def test_largest_of_what_is_not_a_number(dtype):
    a, b, c = np.array([[np.nan, 1, 2], [1, np.nan, 2], [0, 0, 2]], dtype)
    out, winner = np.empty_like(a), np.empty(3, np.int32)
    elementwise.largest_of([a, b, c], out, winner)
    np.testing.assert_array_equal(winner, [1, 1, 1])
    np.testing.assert_array_equal(out, [1, np.nan, 2])


@pytest.mark.parametrize("blocks", [1, 3, 4000])
def test_copy_blocks(blocks, dtype):
    source = np.arange(blocks * 50, dtype=dtype).reshape(blocks, 50)
    target = np.zeros((blocks, 70), dtype)
    elementwise.copy_blocks(source, 5, 50, target, 10, 70, blocks, 40)
    want = np.zeros_like(target)
    want[:, 10:50] = source[:, 5:45]
    np.testing.assert_array_equal(target, want)


def test_sum_of_squares(terms):
    assert elementwise.sum_of_squares(terms[0]) == (terms[0] ** 2).sum()
