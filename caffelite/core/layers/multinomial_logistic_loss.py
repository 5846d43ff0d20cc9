"""MultinomialLogisticLoss: -log of labels' probabilities.

Source: src/caffe/layers/multinomial_logistic_loss_layer.cpp.
"""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.labels import read_labels, refuse_swapped
from caffelite.core.layers.shared.loss import LossLayer

SMALLEST = float(np.float32(1e-20))


@register_layer("MultinomialLogisticLoss")
class MultinomialLogisticLossLayer(LossLayer):
    """Add up -log of the labels' probabilities and divide by the batch size.

    bottom[0]: (N, ...), probabilities; all axes but the first count as one, of C classes.
    bottom[1]: (N), (N, 1), (N, 1, 1) or (N, 1, 1, 1), integers from 0 to C - 1.
    top[0]: (), the loss.

    Probabilities below 1e-20 count as 1e-20, in the gradient too. Raises LayerError for another number of labels, a
    label out of range, and when asked for the gradient of the labels.
    """

    messages = ()
    formula = "y = sum over n < {bottom[0].shape[0]} of -log(x[n, label[n]]) / {bottom[0].shape[0]}"

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check that there is one label an item."""
        super().reshape(bottom, top)
        refuse_swapped(bottom, axis=1)
        if bottom[1].count_between(1) != 1:
            raise LayerError("bottom[1]", shape_or_scalar(bottom[1].shape), "each item needs exactly one label")
        self.items = (bottom[0].shape[0], bottom[0].count_between(1))

    def _label_values(self, bottom: Blobs) -> tuple[Array, Array]:
        """Return the labels and their probabilities."""
        prob = bottom[0].data.reshape(self.items)
        labels = read_labels(bottom[1].data, self.items[1], None)
        return labels, np.maximum(prob[np.arange(len(labels)), labels], self.dtype.type(SMALLEST))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute the loss."""
        labels, values = self._label_values(bottom)
        top[0].data[...] = -np.log(values).sum() / max(len(labels), 1)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the probabilities' gradient: -1 / (N p) at the labels, else 0."""
        self.refuse_label_gradient(propagate_down)
        if propagate_down[0]:
            labels, values = self._label_values(bottom)
            bottom[0].diff.fill(0)
            scale = -self.loss_weight(top) / max(len(labels), 1)
            bottom[0].diff.reshape(self.items)[np.arange(len(labels)), labels] = scale / values
