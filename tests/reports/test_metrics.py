import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from caffelite.reports.metrics import (
    class_figures,
    confusion_matrix,
    frequent_mistakes,
    log_loss,
    predict,
    reliability,
    softmax,
)

LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 2, 0])
CONFUSION = [[2, 1, 0], [0, 1, 1], [1, 0, 0]]  # by hand


def test_confusion_has_a_row_for_each_label():
    np.testing.assert_array_equal(confusion_matrix(LABELS, PREDICTED, 3), CONFUSION)


def test_class_figures_by_hand():
    figures = class_figures(np.array(CONFUSION))
    np.testing.assert_allclose(figures.precision, [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(figures.recall, [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(figures.f1, [2 / 3, 1 / 2, 0])
    assert figures.support.tolist() == [3, 2, 1]
    assert figures.predicted.tolist() == [3, 2, 1]
    assert figures.macro() == pytest.approx([(2 / 3 + 1 / 2) / 3] * 3)
    assert figures.weighted() == pytest.approx([(3 * 2 / 3 + 2 / 2) / 6] * 3)


def test_a_class_that_never_occurs_has_zeros_and_no_part_in_the_mean():
    figures = class_figures(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
    assert figures.precision[2] == figures.recall[2] == figures.f1[2] == 0
    assert figures.macro() == pytest.approx([(1 + 2 / 3) / 2, (3 / 4 + 1) / 2, (6 / 7 + 4 / 5) / 2])


def test_nothing_at_all():
    figures = class_figures(np.zeros((2, 2), int))
    assert figures.macro() == figures.weighted() == (0, 0, 0)


def test_softmax_of_large_scores():
    np.testing.assert_allclose(
        softmax(np.array([[1000, 1000], [0, np.log(3)]], np.float32)), [[0.5, 0.5], [0.25, 0.75]]
    )


def test_predictions_and_how_many_classes_reach_the_label():
    scores = np.array([[1, 5, 3], [1, 5, 3], [1, 5, 3]])
    found = predict(scores, np.array([0, 1, 2]))
    assert found.predicted.tolist() == [1, 1, 1]
    assert found.rival.tolist() == [1, 2, 1]
    assert found.above.tolist() == [2, 0, 1]


def test_ties_count_against_the_label_as_in_caffe():
    found = predict(np.array([[2, 2, 1], [2, 2, 1], [1, 1, 1]]), np.array([0, 1, 1]))
    assert found.predicted.tolist() == [1, 0, 0]
    assert found.above.tolist() == [1, 1, 2]


def test_reliability_by_hand():
    confidence = np.array([0.6, 0.7, 0.75, 0.9, 1.0])
    right = np.array([True, False, True, True, True])
    found = reliability(confidence, right, bins=4)  # 0.75 is the last of its bin
    assert found.counts.tolist() == [0, 0, 3, 2]
    np.testing.assert_allclose(found.confidence, [np.nan, np.nan, 2.05 / 3, 0.95])
    np.testing.assert_allclose(found.accuracy, [np.nan, np.nan, 2 / 3, 1])
    assert found.ece == pytest.approx(3 / 5 * (2.05 / 3 - 2 / 3) + 2 / 5 * 0.05)
    assert found.worst == pytest.approx(0.05)


def test_reliability_counts_confidences_of_0_and_1():
    assert reliability(np.array([0.0, 1.0]), np.array([False, True]), bins=2).counts.tolist() == [1, 1]


def test_log_loss():
    assert log_loss(np.array([0.5, 0.25])) == pytest.approx(np.log(8) / 2)
    assert log_loss(np.array([0.0])) == pytest.approx(36.04365)  # -log(2 ** -52)


def test_frequent_mistakes():
    assert frequent_mistakes(np.array([[9, 1, 0], [0, 9, 4], [1, 0, 9]]), 2) == [(1, 2, 4), (0, 1, 1)]
    assert frequent_mistakes(np.diag([3, 4]), 5) == []


def test_the_figures_of_scikit_learn():
    here = Path(__file__).parent
    theirs = json.loads((here / "sklearn_figures.json").read_text())
    labels, scores = runpy.run_path(str(here / "sklearn_figures.py"))["example"]()
    found, probabilities = predict(scores, labels), softmax(scores)
    confusion = confusion_matrix(labels, found.predicted, scores.shape[1])
    figures = class_figures(confusion)
    assert confusion.tolist() == theirs["confusion"]
    assert (found.predicted == labels).mean() == pytest.approx(theirs["accuracy"], rel=1e-12)
    assert (found.above < 5).mean() == pytest.approx(theirs["top_5"], rel=1e-12)
    assert log_loss(probabilities[np.arange(len(labels)), labels]) == pytest.approx(theirs["log_loss"], rel=1e-12)
    np.testing.assert_allclose(figures[:4], theirs["classes"], rtol=1e-12)
    assert figures.macro() == pytest.approx(theirs["macro"], rel=1e-12)
    assert figures.weighted() == pytest.approx(theirs["weighted"], rel=1e-12)
    bins = reliability(probabilities.max(axis=1), found.predicted == labels)
    filled = bins.counts > 0
    np.testing.assert_allclose(bins.accuracy[filled], theirs["bin_accuracy"], rtol=1e-12)
    np.testing.assert_allclose(bins.confidence[filled], theirs["bin_confidence"], rtol=1e-12)
