"""SoftmaxWithLoss with smoothed targets or weighted classes. Source: NVIDIA/caffe, intel/caffe, caffe-segnet."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.kernels.softmax import softmax_forward
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.labels import read_labels
from caffelite.core.layers.softmax_with_loss import SoftmaxLoss, weights_items


@register_layer("SoftmaxWithLoss", when=weights_items)
class WeightedSoftmaxWithLossLayer(SoftmaxLoss):
    """Take the softmax of scores and add up -sum over c of target[c] * log(p[c]), times the weight of the label.

    bottom[0]: scores, C classes along softmax_param.axis, outer x inner positions around it.
    bottom[1]: labels, outer x inner integers from 0 to C - 1 in any shape, or loss_param.ignore_label.
    top[0]: (), the sum over the positions divided as loss_param.normalization says: the weights do not count there.
    top[1]: optional, the probabilities, shaped as the scores; its loss weight is 0 unless given.

    With label_smoothing e (NVIDIA's, Intel's) the targets are e / C, and 1 - e more at the label. With
    weight_by_label_freqs (SegNet's) class_weighting has a weight for each class. Probabilities below FLT_MIN count as
    FLT_MIN. Raises LayerError as SoftmaxWithLoss does, for e outside [0, 1), and for another number of weights.
    """

    messages = ("loss_param", "softmax_param")
    fork: ClassVar[str] = "NVIDIA, Intel or SegNet"

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the smoothed targets."""
        loss = "-log(p[label])"
        if self.smoothing:
            at_label, others = 1 - self.smoothing, self.smoothing / self.classes
            loss = f"-({at_label:g} * log(p[label]) + {others:g} * sum over c of log(p[c]))"
        weight = "class_weighting[label] * " if self.weights is not None else ""
        return (
            f"p = softmax of x over {self.classes} classes; y = sum over {self.outer} x {self.inner} positions of "
            f"{weight}{loss}, divided by the normalizer"
        )

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read loss_param."""
        super().setup(bottom, top)
        param = self.layer_param.loss_param
        self.smoothing, self.weights = param.label_smoothing, None
        if not 0 <= self.smoothing < 1:
            raise LayerError("loss_param.label_smoothing", f"{self.smoothing:g}", "use a share from 0 to less than 1")
        if param.weight_by_label_freqs:
            self.weights = np.array(param.class_weighting, self.dtype)
            if not (self.weights >= 0).all():
                raise LayerError("loss_param.class_weighting", f"{self.weights.min():g}", "weights are 0 or more")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the numbers of labels and weights; make room for the probabilities."""
        super().reshape(bottom, top)
        if self.weights is not None and self.weights.size != self.classes:
            raise LayerError(
                "loss_param.class_weighting",
                f"given {self.weights.size} times",
                f"weight_by_label_freqs needs it once for each of the {self.classes} classes",
            )
        self._target: Array | None = None  # until the first forward

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute probabilities and loss."""
        prob = self.prob.data
        softmax_forward(bottom[0].data.reshape(prob.shape), prob)
        labels = read_labels(bottom[1].data, self.classes, self.ignore_label, "loss_param")
        counts = np.ones(labels.shape, bool) if self.ignore_label is None else labels != self.ignore_label
        self._target, self._weight = self._targets(np.where(counts, labels, 0), counts)
        losses = -(self._target * np.log(np.maximum(prob, np.finfo(np.float32).tiny))).sum(1, keepdims=True)
        self.put_loss(float((self._weight * losses).sum(dtype=np.float64)), int(counts.sum()), top)

    def _targets(self, labels: Array, counts: Array) -> tuple[Array, Array]:
        """Return the targets, as prob, and what each position counts, (outer, 1, inner)."""
        at = (self.outer, 1, self.inner)
        target = np.full(self.prob.shape, self.smoothing / max(self.classes, 1), self.dtype)
        here = np.take_along_axis(target, labels.reshape(at), 1)
        np.put_along_axis(target, labels.reshape(at), here + self.dtype.type(1 - self.smoothing), 1)
        weight = counts.astype(self.dtype)
        if self.weights is not None:
            weight *= self.weights[labels]
        return target, weight.reshape(at)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the scores' gradient with the weighted probabilities minus targets."""
        self.refuse_label_gradient(propagate_down)
        if propagate_down[0]:
            scale = self.dtype.type(self.gradient_scale(top))
            assert self._target is not None
            diff = bottom[0].diff.reshape(self.prob.shape)
            np.multiply(self.prob.data - self._target, self._weight * scale, out=diff)
