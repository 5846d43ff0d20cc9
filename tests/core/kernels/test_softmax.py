"""Softmax and its loss against numpy in float64."""

import numpy as np
import pytest

from caffelite.core.kernels import softmax as kernels

SHAPES = [(64, 10, 1), (3, 1000, 1), (1, 1, 1), (2, 33, 1), (4, 5, 7), (2, 21, 1300), (3, 2, 4)]


@pytest.fixture(params=SHAPES, ids=str)
def scores(request, dtype):
    return (3 * np.random.default_rng(0).standard_normal(request.param)).astype(dtype)


def softmax(scores):
    grown = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def prob_of(scores):
    prob = np.full_like(scores, np.nan)
    kernels.softmax_forward(scores, prob)
    return prob


def test_forward(scores):
    prob = prob_of(scores)
    np.testing.assert_allclose(prob, softmax(scores), rtol=2e-6)
    kernels.softmax_forward(scores, scores)
    np.testing.assert_array_equal(scores, prob)


def test_backward(scores):
    prob, diff = prob_of(scores), np.random.default_rng(1).standard_normal(scores.shape).astype(scores.dtype)
    want = (diff - (diff.astype(np.float64) * prob).sum(axis=1, keepdims=True)) * prob
    out = np.full_like(diff, np.nan)
    kernels.softmax_backward(prob, diff, out)
    np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-6)
    kernels.softmax_backward(prob, diff, diff)
    np.testing.assert_array_equal(diff, out)


@pytest.mark.parametrize("inner", [1, 3])
def test_what_is_not_a_number(inner, dtype):
    scores = np.zeros((4, 3, inner), dtype)
    scores[0, 1], scores[1, 0], scores[2, 2] = np.nan, np.inf, -np.inf
    prob = prob_of(scores)
    assert np.isnan(prob[0]).all() and np.isnan(prob[1, 0]).all()
    np.testing.assert_allclose(prob[2, :, 0], [0.5, 0.5, 0])
    np.testing.assert_allclose(prob[3], 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("ignore_label", [None, 0])
def test_loss(scores, ignore_label):
    outer, classes, inner = scores.shape
    label = np.random.default_rng(2).integers(0, classes, (outer, inner))
    prob, counts = prob_of(scores), label != ignore_label
    at_label = np.take_along_axis(softmax(scores), label[:, None], axis=1)[:, 0]
    total, valid, wrong = kernels.softmax_loss_forward(prob, label.astype(scores.dtype), ignore_label)
    assert (valid, wrong) == (counts.sum(), -1)
    np.testing.assert_allclose(total, -(np.log(at_label) * counts).sum(), rtol=1e-6, atol=1e-6)
    want = 0.25 * prob.astype(np.float64)
    np.put_along_axis(want, label[:, None], np.take_along_axis(want, label[:, None], axis=1) - 0.25, axis=1)
    diff = np.full_like(prob, np.nan)
    kernels.softmax_loss_backward(prob, label.astype(scores.dtype), ignore_label, 0.25, diff)
    np.testing.assert_allclose(diff, want * counts[:, None], rtol=1e-5, atol=1e-7)


def test_labels_are_truncated_and_terms_bounded(dtype):
    prob = np.array([[0, 1], [1, 0]], dtype).reshape(2, 2, 1)
    assert kernels.softmax_loss_forward(prob, np.array([1.9, -0.7], dtype), None) == (0, 2, -1)
    total, valid, wrong = kernels.softmax_loss_forward(prob, np.array([0, 1], dtype), None)
    assert (valid, wrong) == (2, -1)
    np.testing.assert_allclose(total, 2 * 87.33654475, rtol=1e-6)


def test_loss_of_a_probability_that_is_not_a_number(dtype):
    prob = np.full((1, 2, 1), np.nan, dtype)
    assert np.isnan(kernels.softmax_loss_forward(prob, np.zeros(1, dtype), None)[0])


@pytest.mark.parametrize("label", [2, -1, np.nan, np.inf, -np.inf, 1e30])
def test_the_place_of_a_wrong_label(label, dtype):
    prob = np.full((3, 2, 1), 0.5, dtype)
    assert kernels.softmax_loss_forward(prob, np.array([0, label, 1], dtype), None)[2] == 1


def test_a_label_to_ignore_may_be_out_of_range(dtype):
    prob = np.full((3, 2, 1), 0.5, dtype)
    total, valid, wrong = kernels.softmax_loss_forward(prob, np.array([0, 255, 1], dtype), 255)
    assert (valid, wrong) == (2, -1)
    np.testing.assert_allclose(total, 2 * np.log(2), rtol=1e-6)
