"""SigmoidCrossEntropyLoss: independent yes-or-no answers.

Source: src/caffe/layers/sigmoid_cross_entropy_loss_layer.cpp.
"""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.kernels import sigmoid_cross_entropy as kernels
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.loss import LossLayer
from caffelite.core.layers.shared.normalizer import SOFTMAX_LOSS_ALONE, LossParameter, normalization_mode, normalizer


@register_layer("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLossLayer(LossLayer):
    """Add up -t log(p) - (1 - t) log(1 - p) with p = sigmoid(x) and divide by the batch size.

    bottom[0]: (N, ...), scores x of any size.
    bottom[1]: (N, ...), as many targets t in any shape; from 0 to 1, or loss_param.ignore_label.
    top[0]: (), the sum divided as loss_param.normalization says. Its default is BATCH_SIZE here: N, whatever the number
            of scores an item; VALID is the number of values that are not ignored.

    Ignored is what becomes ignore_label when its fraction is cut off: with 0 this is all between -1 and 1. Raises
    LayerError if the counts differ, and when asked for the gradient of the targets.
    """

    messages = ("loss_param",)
    not_read = SOFTMAX_LOSS_ALONE
    formula = (
        "p = 1 / (1 + e^-x); y = sum over {bottom[0].count} values of -t * log(p) - (1 - t) * log(1 - p), "
        "divided by the normalizer"
    )

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read loss_param."""
        param = self.layer_param.loss_param
        self.ignore_label = param.ignore_label if param.HasField("ignore_label") else None
        self.normalization = normalization_mode(param, default=LossParameter.BATCH_SIZE)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check that there is a target for each score."""
        super().reshape(bottom, top)
        if bottom[0].count != bottom[1].count:
            raise LayerError(
                "bottom[1]",
                shape_or_scalar(bottom[1].shape),
                f"there must be a target for each of the scores, {shape_string(bottom[0].shape)}",
            )

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute the loss."""
        total, valid = kernels.loss_forward(bottom[0].data, bottom[1].data, self.ignore_label)
        self._check_targets(bottom[1].data)
        sizes = (bottom[0].shape[0], bottom[0].count_between(1), valid)
        self.divisor = normalizer(self.normalization, *sizes, self.layer_param.loss_param.pre_fixed_normalizer)
        top[0].data[...] = total / self.divisor

    def _check_targets(self, targets: Array) -> None:
        """Say once that a target is no probability; the loss then has no lower bound."""
        about = f"targets {self.name}"
        if about in self.context.warned or not targets.size or (targets.min() >= 0 and targets.max() <= 1):
            return
        wrong = ~((targets >= 0) & (targets <= 1))
        if self.ignore_label is not None:
            wrong &= np.trunc(targets) != self.ignore_label
        if wrong.any():
            place = int(np.argmax(wrong))
            self.warn_once(
                about,
                f"target {place} of bottom[1] is {targets.flat[place]:g}; targets are probabilities, 0 to 1: scale "
                "them, or write loss_param { ignore_label: ... } for those to leave out",
            )

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the scores' gradient with sigmoid(x) - t, divided as the last loss."""
        self.refuse_label_gradient(propagate_down)
        if propagate_down[0]:
            scale = self.gradient_scale(top)
            kernels.loss_backward(bottom[0].data, bottom[1].data, self.ignore_label, scale, bottom[0].diff)
