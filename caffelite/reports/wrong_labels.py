"""Labels that are probably wrong, by confident learning. Source: Northcutt, Jiang, Chuang: Confident Learning, 2021."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.reports.metrics import Ints


class WrongLabels(NamedTuple):
    """Items whose labels are probably wrong, the most certain first, and the class that each seems to be of.

    thresholds: (C), how certain the net is of items of a class on average; 2 for a class that is no label.
    """

    items: Ints
    suggested: Ints
    thresholds: Array


def probable_wrong_labels(probabilities: Array, labels: Ints) -> WrongLabels:
    """Return the items that belong to another class with a probability at least as high as is usual in that class.

    probabilities: (N, C), of a net that was not trained on these items, or it has learned their wrong labels, too. An
    item counts as of the most probable of the classes whose threshold it reaches; the threshold of a class is the mean
    probability of the class over the items labelled so. An item whose label is its most probable class is none of them.
    Sorted by the label's probability less that of the suggestion.
    """
    count, classes = probabilities.shape
    own = probabilities[np.arange(count), labels]
    number = np.bincount(labels, minlength=classes)
    thresholds = np.where(number > 0, np.bincount(labels, own, classes) / np.maximum(number, 1), 2.0)
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    suggested = reached.argmax(axis=1)
    doubted = probabilities.argmax(axis=1) != labels
    found = np.flatnonzero(doubted & (reached.max(axis=1) >= 0) & (suggested != labels))
    margin = own[found] - probabilities[found, suggested[found]]
    order = found[np.argsort(margin, kind="stable")]
    return WrongLabels(order, suggested[order], thresholds)
