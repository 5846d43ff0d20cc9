"""Accuracy: how often the label is among the highest scores. Source: src/caffe/layers/accuracy_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.shared.labels import classes_along, read_labels


@register_layer("Accuracy")
class AccuracyLayer(Layer):
    """Count the items for which fewer than top_k other classes score at least as high as the label's class.

    bottom[0]: scores, C classes along `axis`, outer x inner positions around it.
    bottom[1]: labels, outer x inner integers from 0 to C - 1 in any shape, or ignore_label.
    top[0]: (), share of the positions, without ignored ones; 0 if there are none.
    top[1]: (C), optional: the share for each true label; 0 where it does not occur.

    Ties count against the label. A score that is NaN is never right, and no other class loses against it; Caffe
    counts it as right. Raises LayerError for top_k > C, another number of labels, a label out of range, and
    when asked for a gradient.
    """

    messages = ("accuracy_param",)
    formula = (
        "y = share of the {layer.outer} x {layer.inner} positions at which fewer than {accuracy_param.top_k} "
        "of the other classes (of {layer.classes}) score at least as high as the label bottom[1]"
    )
    exact_num_bottom_blobs = 2
    min_top_blobs = 1
    max_top_blobs = 2
    has_backward = False

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the labels' number and shape the tops."""
        param = self.layer_param.accuracy_param
        axis, field = param.axis, "accuracy_param.axis"
        self.outer, self.classes, self.inner = classes_along(self, bottom, axis, field)
        if param.top_k > self.classes:
            raise LayerError("accuracy_param.top_k", param.top_k, f"there are {self.classes} classes; use at most that")
        top[0].reshape()
        if len(top) == 2:
            top[1].reshape(self.classes)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute the share of correct labels, and that of each class."""
        param = self.layer_param.accuracy_param
        ignore = param.ignore_label if param.HasField("ignore_label") else None
        labels = read_labels(bottom[1].data, self.classes, ignore, "accuracy_param")
        counted = labels != ignore if ignore is not None else np.ones(labels.shape, bool)
        right = self._right(bottom[0].data, np.where(counted, labels, 0)) & counted
        top[0].data[...] = right.sum() / max(counted.sum(), 1)
        if len(top) == 2:
            number = np.bincount(labels[counted], minlength=self.classes)
            correct = np.bincount(labels[right], minlength=self.classes)
            top[1].data[...] = correct / np.maximum(number, 1)

    def _right(self, scores: Array, labels: Array) -> Array:
        """Whether the score of the label is a number that fewer than top_k other classes reach; `labels` are flat."""
        scores = scores.reshape(self.outer, self.classes, self.inner)
        places = labels.reshape(self.outer, 1, self.inner)
        own = np.take_along_axis(scores, places, axis=1)
        rivals = scores >= own
        np.put_along_axis(rivals, places, False, axis=1)
        right: Array = (rivals.sum(axis=1) < self.layer_param.accuracy_param.top_k) & ~np.isnan(own[:, 0])
        return right.reshape(-1)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Refuse: a share of right answers has no gradient."""
        if any(propagate_down):
            raise LayerError("propagate_down", "true", "Accuracy has no gradient; remove its loss_weight")
