"""HingeLoss: one class against all others, with a margin. Source: src/caffe/layers/hinge_loss_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.labels import read_labels, refuse_swapped
from caffelite.core.layers.shared.loss import LossLayer
from caffelite.proto import caffe_pb2


@register_layer("HingeLoss")
class HingeLossLayer(LossLayer):
    """Add up max(0, 1 - x) of the labels' scores and max(0, 1 + x) of all others, and divide by the batch size.

    bottom[0]: (N, ...), scores; all axes but the first count as one, of C classes.
    bottom[1]: N values, (N), (N, 1) or the like: integers from 0 to C - 1.
    top[0]: (), the loss; with hinge_loss_param.norm: L2 the squares are added up (not halved).

    Backward may run any number of times after a forward. Raises LayerError for a label out of range, for more than one
    label an item (of which Caffe reads the first N values, other items' labels) and when asked for the gradient of the
    labels.
    """

    messages = ("hinge_loss_param",)
    formula = (
        "y = sum of max(0, 1 - x) at the labels and max(0, 1 + x) elsewhere (norm: L2 squares them; norm is "
        "{hinge_loss_param.norm}, 1: L1, 2: L2) / {bottom[0].shape[0]}"
    )

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the number of labels; make room for the margins."""
        super().reshape(bottom, top)
        refuse_swapped(bottom, axis=1)
        shape = bottom[0].shape
        if bottom[1].count != shape[0]:
            raise LayerError(
                "bottom[1]",
                shape_or_scalar(bottom[1].shape),
                f"{shape[0]} items need one label each; of several take one with a Slice layer (axis: 1)",
            )
        self.margins = np.zeros((shape[0], bottom[0].count_between(1)), self.dtype)
        self.labels = np.zeros(shape[0], np.int64)
        self.squared = self.layer_param.hinge_loss_param.norm == caffe_pb2.HingeLossParameter.L2

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute margins and loss."""
        num, classes = self.margins.shape
        margins = self.margins
        self.labels = read_labels(bottom[1].data, classes, None)
        margins[...] = bottom[0].data.reshape(margins.shape)
        self._negate_at_labels(margins)
        margins += 1
        np.maximum(margins, 0, out=margins)
        flat = margins.reshape(-1)
        total = np.dot(flat, flat) if self.squared else flat.sum()
        top[0].data[...] = total / max(num, 1)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the scores' gradient: 1 / N where there is a margin (L2: twice the margin), negative at labels."""
        self.refuse_label_gradient(propagate_down)
        if not propagate_down[0]:
            return
        diff = bottom[0].diff.reshape(self.margins.shape)
        scale = self.loss_weight(top) / max(len(diff), 1)
        if self.squared:
            np.multiply(self.margins, self.dtype.type(2 * scale), out=diff)
        else:
            np.sign(self.margins, out=diff)
            diff *= self.dtype.type(scale)
        self._negate_at_labels(diff)

    def _negate_at_labels(self, array: Array) -> None:
        array[np.arange(len(self.labels)), self.labels] *= -1
