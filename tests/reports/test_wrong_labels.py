import runpy
from pathlib import Path

import numpy as np
import pytest

from caffelite.reports.metrics import softmax
from caffelite.reports.wrong_labels import probable_wrong_labels


def test_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.05, 0.95], [0.4, 0.6], [0.95, 0.05]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    found = probable_wrong_labels(probabilities, labels)
    # thresholds: (0.9 + 0.7 + 0.2) / 3 and (0.95 + 0.6 + 0.05) / 3
    np.testing.assert_allclose(found.thresholds, [0.6, 1.6 / 3])
    assert found.items.tolist() == [5, 2]  # 0.05 - 0.95 comes before 0.2 - 0.8
    assert found.suggested.tolist() == [0, 1]


def test_a_mistake_that_is_not_certain_enough_is_no_wrong_label():
    probabilities = np.array([[0.95, 0.05], [0.45, 0.55], [0.1, 0.9], [0.1, 0.9]])
    found = probable_wrong_labels(probabilities, np.array([0, 0, 1, 1]))
    assert found.items.tolist() == []


def test_a_class_without_labels_is_never_suggested():
    probabilities = np.array([[0.1, 0.2, 0.7], [0.2, 0.7, 0.1]])
    found = probable_wrong_labels(probabilities, np.array([0, 1]))
    assert found.thresholds[2] == pytest.approx(2)
    assert found.items.tolist() == []


def test_an_item_whose_label_is_its_most_probable_class_is_left_alone():
    probabilities = np.array([[0.45, 0.4, 0.15], [0.7, 0.3, 0], [0.6, 0.4, 0], [0, 0, 1]])
    found = probable_wrong_labels(probabilities, np.array([0, 0, 1, 2]))
    assert found.items.tolist() == [2]  # 0.45 is below the threshold of class 0, 0.4 that of class 1


def test_those_that_cleanlab_finds():
    """The figures are of cleanlab 2.9: find_label_issues(labels, probabilities, filter_by="confident_learning",
    return_indices_ranked_by="normalized_margin"), of the first 11 classes of the example.
    """
    labels, scores = runpy.run_path(str(Path(__file__).parent / "sklearn_figures.py"))["example"]()
    found = probable_wrong_labels(softmax(scores[:, :11]), labels)
    assert len(found.items) == 321
    assert found.items[:10].tolist() == [564, 107, 514, 32, 225, 551, 524, 171, 473, 258]
    assert found.items.sum() == 99021
