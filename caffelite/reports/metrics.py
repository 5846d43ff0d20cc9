"""Figures of a classifier, as functions of arrays. scikit-learn's definitions, except that ties count as in Caffe.

Items are counted along the first axis; scores are (N, C), labels (N), whole numbers from 0 to C - 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Array

Ints = npt.NDArray[np.int64]
BINS = 15  # of confidence, as in Guo et al. 2017, where the expected calibration error is from


class Prediction(NamedTuple):
    """What scores say of N items: the class predicted, the best class but the label, and how many reach the label."""

    predicted: Ints
    rival: Ints
    above: Ints


class ClassFigures(NamedTuple):
    """Figures of each class, (C): support is how often it is the label, `predicted` how often it was said.

    Precision is 0 where the class was never predicted, recall where it is no label, F1 where both are 0.
    """

    precision: Array
    recall: Array
    f1: Array
    support: Ints
    predicted: Ints

    def macro(self) -> tuple[float, float, float]:
        """Return the plain means of precision, recall and F1 over the classes that are a label or were predicted."""
        occurs = (self.support + self.predicted) > 0
        return _triple(values[occurs].mean() if occurs.any() else 0.0 for values in self[:3])

    def weighted(self) -> tuple[float, float, float]:
        """Return the means of precision, recall and F1 weighted by support."""
        total = max(int(self.support.sum()), 1)
        return _triple((values * self.support).sum() / total for values in self[:3])


class Reliability(NamedTuple):
    """Confidence against accuracy, by bins of equal width from 0 to 1: (count, mean confidence, accuracy) of each.

    ece, the expected calibration error, is the mean over the items of |accuracy - mean confidence| of their bin; worst
    is the largest of these differences.
    """

    counts: Ints
    confidence: Array
    accuracy: Array
    ece: float
    worst: float


def softmax(scores: Array) -> Array:
    """Return the softmax over the last axis, in float64."""
    shifted = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    probabilities: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities


def predict(scores: Array, labels: Ints) -> Prediction:
    """Return what scores (N, C) say, beside their labels (N).

    Where another class scores as high as the label, that one is predicted: ties count against the label, as in Caffe's
    Accuracy, so that what is computed of this agrees with it.
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    others = scores.astype(np.float64)
    np.put_along_axis(others, labels[:, None], -np.inf, axis=1)
    rival = others.argmax(axis=1)
    above = (others >= own).sum(axis=1)
    return Prediction(np.where(above > 0, rival, labels), rival, above)


def confusion_matrix(labels: Ints, predicted: Ints, classes: int) -> Ints:
    """Return how often label i, the row, was predicted as j, the column: (C, C)."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def class_figures(confusion: Ints) -> ClassFigures:
    """Return precision, recall, F1 and support of each class of a confusion matrix."""
    right, support, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = right / np.maximum(predicted, 1), right / np.maximum(support, 1)
    return ClassFigures(precision, recall, 2 * right / np.maximum(support + predicted, 1), support, predicted)


def reliability(confidence: Array, right: npt.NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Return how often items were right whose predicted class had this confidence, both (N).

    Bin i holds confidences above i / bins up to (i + 1) / bins. Of an empty bin confidence and accuracy are nan.
    """
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, confidence, bins) / counts
        accuracy = np.bincount(place, right, bins) / counts
    gaps = np.abs(accuracy - mean)[counts > 0]
    share = counts[counts > 0] / max(len(place), 1)
    return Reliability(counts, mean, accuracy, float((gaps * share).sum()), float(gaps.max(initial=0.0)))


def log_loss(of_label: Array) -> float:
    """Return the mean of -log of the labels' probabilities (N), none taken as smaller than float64's epsilon."""
    return float(-np.log(np.clip(of_label, np.finfo(np.float64).eps, 1.0)).mean())


def frequent_mistakes(confusion: Ints, most: int) -> list[tuple[int, int, int]]:
    """Return (label, predicted, times) of the most frequent mistakes, the most frequent first."""
    wrong = confusion - np.diag(confusion.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs: Any = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(int(i), int(j), int(wrong[i, j])) for i, j in pairs if wrong[i, j]]


def _triple(values: Any) -> tuple[float, float, float]:
    first, second, third = map(float, values)
    return first, second, third
