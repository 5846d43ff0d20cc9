"""SoftmaxWithLoss: softmax and the logistic loss of the label. Source: src/caffe/layers/softmax_loss_layer.cpp."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from caffelite.core.kernels import softmax as kernels
from caffelite.core.layer import Blobs, TopMemory, register_layer
from caffelite.core.layers.shared.labels import classes_along, wrong_label
from caffelite.core.layers.shared.loss import LossLayer
from caffelite.core.layers.shared.normalizer import LossParameter, normalization_mode, normalizer
from caffelite.proto import caffe_pb2

SATURATED = -math.log(np.finfo(np.float32).tiny) - 1e-3  # 87.3365, up to rounding: the loss of a probability of 0


class SoftmaxLoss(LossLayer):
    """What the kinds of SoftmaxWithLoss share: fields, shapes, and the probabilities in `prob`, (outer, C, inner)."""

    exact_num_top_blobs: ClassVar[int | None] = None
    min_top_blobs = 1
    max_top_blobs = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read loss_param."""
        param = self.layer_param.loss_param
        self.ignore_label = param.ignore_label if param.HasField("ignore_label") else None
        self.normalization = normalization_mode(param, default=LossParameter.VALID)
        self.prob = self.new_blob()

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the labels' number; make room for the probabilities."""
        super().reshape(bottom, top)
        axis, field = self.layer_param.softmax_param.axis, "softmax_param.axis"
        self.outer, self.classes, self.inner = classes_along(self, bottom, axis, field)
        self.prob.reshape(self.outer, self.classes, self.inner)
        if len(top) == 2:
            top[1].reshape_like(bottom[0])

    def top_memory(self, top_index: int) -> TopMemory:
        """Say that the probabilities are those that the gradient is computed from."""
        return TopMemory.KEPT if top_index == 1 else TopMemory.OWN

    def put_loss(self, total: float, valid: int, top: Blobs) -> None:
        """Fill the tops with the sum over the positions, `valid` of them not ignored, and the probabilities."""
        fixed = self.layer_param.loss_param.pre_fixed_normalizer
        self.divisor = normalizer(self.normalization, self.outer, self.inner, valid, fixed)
        top[0].data[...] = total / self.divisor
        if len(top) == 2:
            top[1].share_data(self.prob)


def weights_items(layer: caffe_pb2.LayerParameter) -> bool:
    """Whether targets are smoothed or items weighted, as forks may."""
    return layer.loss_param.label_smoothing != 0 or layer.loss_param.weight_by_label_freqs


@register_layer("SoftmaxWithLoss")
class SoftmaxWithLossLayer(SoftmaxLoss):
    """Take the softmax of scores and add up -log of the labels' probabilities.

    bottom[0]: scores, C classes along softmax_param.axis, outer x inner positions around it.
    bottom[1]: labels, outer x inner integers from 0 to C - 1 in any shape, or loss_param.ignore_label.
    top[0]: (), the sum over the positions divided as loss_param.normalization says (VALID: by those not ignored).
    top[1]: optional, the probabilities, shaped as the scores. Caffe refuses it; here its loss weight is 0 unless given.

    Probabilities below FLT_MIN count as FLT_MIN. Raises LayerError for another number of labels, a label out of range,
    and when asked for the gradient of the labels.
    """

    messages = ("loss_param", "softmax_param")
    not_read = {"loss_param.class_weighting": "write weight_by_label_freqs: true, too, as SegNet's files do"}
    formula = (
        "p = softmax of x over {layer.classes} classes; y = sum over {layer.outer} x {layer.inner} positions "
        "of -log(p[label]), divided by the normalizer"
    )

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute probabilities and loss."""
        prob = self.prob.data
        kernels.softmax_forward(bottom[0].data.reshape(prob.shape), prob)
        total, valid, wrong = kernels.softmax_loss_forward(prob, bottom[1].data, self.ignore_label)
        if wrong >= 0:
            raise wrong_label(wrong, float(bottom[1].data.flat[wrong]), self.classes, self.ignore_label, "loss_param")
        self._warn_of_saturation(total, valid)
        self.put_loss(total, valid, top)

    def _warn_of_saturation(self, total: float, valid: int) -> None:
        """Say once while training that every label's probability is below FLT_MIN: nothing is learned from that."""
        if self.phase == caffe_pb2.TRAIN and valid and total > SATURATED * valid:
            self.warn_once(
                f"saturated {self.name}",
                f"the loss is {total / valid:.4f}, -log(FLT_MIN) for all: the scores are so far apart that their "
                "probabilities are 0 and 1; use a smaller base_lr, scale the input (pixels by 1 / 256), or look at the "
                "fillers",
            )

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the scores' gradient with probabilities minus 1 at the label."""
        self.refuse_label_gradient(propagate_down)
        if propagate_down[0]:
            prob = self.prob.data
            diff = bottom[0].diff.reshape(prob.shape)
            scale = self.gradient_scale(top)
            kernels.softmax_loss_backward(prob, bottom[1].data, self.ignore_label, scale, diff)
