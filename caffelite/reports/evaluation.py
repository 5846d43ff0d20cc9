"""What a net says of the items that it is tested on, gathered batch by batch, and the figures of it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from caffelite.core import container
from caffelite.core.blob import Array
from caffelite.core.errors import UsageError
from caffelite.core.layers.shared.labels import read_labels
from caffelite.core.net.net import Net
from caffelite.reports.items import Items, items_of
from caffelite.reports.metrics import (
    ClassFigures,
    Ints,
    Reliability,
    class_figures,
    confusion_matrix,
    log_loss,
    predict,
    reliability,
    softmax,
)
from caffelite.reports.scored import Scored, find_scored
from caffelite.reports.wrong_labels import WrongLabels, probable_wrong_labels

TOP_K = 5
LEAST_CLASSES = 10  # from which it says something that a label is among five
COLUMN_BYTES = 2 * 7 * 8  # of an entry, while the parts of the batches are joined
PROBABILITY_BYTES = 2 * 4


class Evaluation:
    """Gathers what a net says, after each pass, and computes from all of it.

    One entry an item: or, where labels are given for each position of an image, one for each position.
    numbers: of the items, the first one of the first batch being 0. labels, predicted: classes. above: how many classes
    score at least as high as the label. of_label, of_predicted: their probabilities; of_rival: that of the best class
    but the label. probabilities: (N, C), None where labels are for each position. repeated: how many entries were
    left out because their items had come before.
    """

    def __init__(self, net: Net, layer: str = "") -> None:
        """Raise UsageError or UnknownNameError for a net that does not say what its scores and labels are."""
        self.scored: Scored = find_scored(net, layer)
        self.items: Items = items_of(net, self.scored.outer)
        self.repeated = 0
        self._batches = 0
        self._seen: set[int] = set()
        self._parts: list[tuple[Array, ...]] = []
        self._probabilities: list[Array] = []

    @property
    def batch(self) -> int:
        """Items of one pass."""
        return self.scored.outer

    @property
    def has_items(self) -> bool:
        """Whether there is one label for each item, so that items can be shown."""
        return self.scored.inner == 1

    def require_memory(self, batches: int) -> None:
        """Raise UsageError if what so many batches say does not fit in memory."""
        scored = self.scored
        entry = COLUMN_BYTES + (PROBABILITY_BYTES * scored.classes if self.has_items else 0)
        needed, have = entry * batches * scored.outer * scored.inner, container.available()
        if needed > have:
            raise UsageError(
                f"a report of {batches} batches needs {container.human(needed)} of memory and {container.human(have)} "
                "are available; use fewer --iterations"
            )

    def add(self) -> None:
        """Take up what the last pass made. UsageError for scores that are nan or infinite, LayerError for labels."""
        scored = self.scored
        blocks = scored.scores.data.reshape(scored.outer, scored.classes, scored.inner)
        scores: Array = np.moveaxis(blocks, 1, 2).reshape(-1, scored.classes)
        if not np.isfinite(scores).all():
            raise UsageError(
                f'the scores that layer "{scored.layer.name}" reads are nan or infinite in batch {self._batches}, so '
                "there is no report; look at the warnings above"
            )
        labels = read_labels(scored.labels.data, scored.classes, scored.ignore_label)
        items = self.items.numbers(self._batches * scored.outer, scored.outer)
        numbers, is_new = items.repeat(scored.inner), self._first_time(items).repeat(scored.inner)
        self._batches += 1
        counted = np.ones(len(labels), bool) if scored.ignore_label is None else labels != scored.ignore_label
        self.repeated += int((counted & ~is_new).sum())
        counted &= is_new
        places = np.flatnonzero(counted) // scored.inner
        self._take(scores[counted].copy(), labels[counted], numbers[counted], places)

    def _first_time(self, items: Ints) -> npt.NDArray[np.bool_]:
        """Return which of the items, by their numbers, come for the first time."""
        is_new = np.empty(len(items), bool)
        for place, item in enumerate(items.tolist()):
            is_new[place] = item not in self._seen and (self.items.count is None or item < self.items.count)
            self._seen.add(item)
        return is_new

    def _take(self, scores: Array, labels: Ints, numbers: Ints, places: Ints) -> None:
        probabilities = scores.astype(np.float64) if self.scored.are_probabilities else softmax(scores)
        found = predict(scores, labels)
        rows = np.arange(len(labels))
        own, rival = probabilities[rows, labels], probabilities[rows, found.rival]
        of_predicted = probabilities[rows, found.predicted]
        self._parts.append((numbers, labels, found.predicted, found.above, own, of_predicted, rival))
        if self.has_items:
            self._probabilities.append(probabilities.astype(np.float32))
            for place, number, margin in zip(places, numbers, own - rival, strict=True):
                self.items.keep(int(number), int(place), float(margin))

    @cached_property
    def _columns(self) -> tuple[Array, ...]:
        return tuple(np.concatenate(column) for column in zip(*self._parts, strict=True))

    @property
    def count(self) -> int:
        """How many entries there are."""
        return sum(len(part[0]) for part in self._parts)

    @property
    def numbers(self) -> Ints:
        """Number of each entry's item."""
        return self._columns[0]

    @property
    def labels(self) -> Ints:
        """Class that is given."""
        return self._columns[1]

    @property
    def predicted(self) -> Ints:
        """Class that the net says."""
        return self._columns[2]

    @property
    def of_label(self) -> Array:
        """Probability of the label."""
        return self._columns[4]

    @property
    def of_predicted(self) -> Array:
        """Probability of the class that the net says."""
        return self._columns[5]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether the net is right."""
        right: npt.NDArray[np.bool_] = self.labels == self.predicted
        return right

    @property
    def accuracy(self) -> float:
        """Share of right entries."""
        return float(self.right.mean())

    def top(self, k: int) -> float:
        """Return the share of entries for which fewer than k classes score at least as high as the label."""
        return float((self._columns[3] < k).mean())

    @property
    def has_top(self) -> bool:
        """Whether there are enough classes for the share of labels among the best five to say something."""
        return self.scored.classes >= LEAST_CLASSES

    @cached_property
    def confusion(self) -> Ints:
        """Matrix (C, C): a row for each label, a column for each prediction."""
        return confusion_matrix(self.labels, self.predicted, self.scored.classes)

    @cached_property
    def classes(self) -> ClassFigures:
        """Figures of each class."""
        return class_figures(self.confusion)

    @cached_property
    def reliability(self) -> Reliability:
        """Confidence against accuracy."""
        return reliability(self.of_predicted, self.right)

    @property
    def log_loss(self) -> float:
        """Mean of -log of the labels' probabilities."""
        return log_loss(self.of_label)

    def worst_mistakes(self, most: int) -> Ints:
        """Return the entries about which the net was most certain and wrong."""
        margins = self._columns[4] - self._columns[6]
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(margins[wrong], kind="stable")][:most]

    @cached_property
    def _all_probabilities(self) -> Array:
        probabilities: Array = np.concatenate(self._probabilities)
        return probabilities

    def probability(self, entry: int, of_class: int) -> float:
        """Return how probable a class is for an entry, where there is one label for each item."""
        return float(self._all_probabilities[entry, of_class])

    @cached_property
    def wrong_labels(self) -> WrongLabels:
        """Entries whose labels are probably wrong."""
        return probable_wrong_labels(self._all_probabilities, self.labels)
