"""InfogainLoss: softmax loss with a price for each confusion. Source: src/caffe/layers/infogain_loss_layer.cpp."""

from __future__ import annotations

from math import prod
from typing import ClassVar

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.blob_proto import read_blob_file
from caffelite.core.errors import LayerError, WeightsError
from caffelite.core.files import NoSuchFileError
from caffelite.core.format import shape_string
from caffelite.core.kernels import infogain as kernels
from caffelite.core.kernels.softmax import softmax_forward
from caffelite.core.layer import Blobs, TopMemory, register_layer
from caffelite.core.layers.shared.labels import classes_along, read_labels
from caffelite.core.layers.shared.loss import LossLayer
from caffelite.core.layers.shared.normalizer import SOFTMAX_LOSS_ALONE, LossParameter, normalization_mode, normalizer


@register_layer("InfogainLoss")
class InfogainLossLayer(LossLayer):
    """Take the softmax of scores and add up -H[label, l] * log(probability of l) over all classes l.

    bottom[0]: scores, C classes along infogain_loss_param.axis, outer x inner positions around it.
    bottom[1]: labels, outer x inner integers from 0 to C - 1 in any shape, or loss_param.ignore_label.
    bottom[2]: optional, H: C * C values in any shape, a row for each true label; else the BlobProto in `source` is H.
    top[0]: (), the sum over the positions divided as loss_param.normalization says (VALID: by those not ignored).
    top[1]: optional, the probabilities, shaped as the scores; its loss weight is 0 unless given (Caffe wants both).

    Probabilities below 1e-20 count as 1e-20. `force_backward` leaves H out (Caffe stops there). Raises LayerError for
    another number of labels, a label out of range, an H of another size or that cannot be read, loss_param.normalize,
    and when asked for the gradient of labels or H.
    """

    messages = ("infogain_loss_param", "loss_param")
    not_read = SOFTMAX_LOSS_ALONE
    formula = (
        "p = softmax of x over {layer.classes} classes; y = sum over {layer.outer} x {layer.inner} positions "
        "of -sum over l of H[label, l] * log(p[l]), divided by the normalizer"
    )
    exact_num_bottom_blobs = None  # type: ignore[assignment]
    min_bottom_blobs = 2
    max_bottom_blobs = 3
    exact_num_top_blobs: ClassVar[int | None] = None
    min_top_blobs = 1
    max_top_blobs = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read loss_param, and H unless it is a bottom."""
        param = self.layer_param.loss_param
        if param.HasField("normalize"):
            raise LayerError(
                "loss_param.normalize",
                str(param.normalize).lower(),
                "InfogainLoss does not know it; write normalization: VALID or BATCH_SIZE",
            )
        self.ignore_label = param.ignore_label if param.HasField("ignore_label") else None
        self.normalization = normalization_mode(param, default=LossParameter.VALID)
        self.prob = self.new_blob()
        self._stored = self._read_source() if len(bottom) == 2 else None

    def _read_source(self) -> Array:
        """Return the values of H in `source`."""
        field, source = "infogain_loss_param.source", self.layer_param.infogain_loss_param.source
        if not source:
            raise LayerError(
                field, "not given", "name the file of a BlobProto with C * C values, or add a third bottom"
            )
        expected = "a file that holds a BlobProto is expected"
        try:
            values = read_blob_file(self.context.find(source))
        except NoSuchFileError as err:
            raise LayerError(field, f'"{source}"', f"{err}; {expected}") from None
        except OSError as err:
            raise LayerError(field, f'"{source}"', f"{err.strerror}; {expected}") from None
        except WeightsError as err:
            raise LayerError(field, f'"{source}"', f"it holds no BlobProto ({err})") from None
        return values.astype(self.dtype)

    def _matrix(self, bottom: Blobs) -> Array:
        values = bottom[2].data if self._stored is None else self._stored
        return values.reshape(self.classes, self.classes)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the number of labels and the size of H; make room for the probabilities."""
        super().reshape(bottom, top)
        axis, field = self.layer_param.infogain_loss_param.axis, "infogain_loss_param.axis"
        self.outer, self.classes, self.inner = classes_along(self, bottom, axis, field)
        given = bottom[2].shape if self._stored is None else self._stored.shape
        if prod(given) != self.classes**2:
            raise LayerError(
                "infogain_loss_param.source" if self._stored is not None else "bottom[2]",
                f"a matrix of {shape_string(given)}",
                f"{self.classes} classes need {self.classes} x {self.classes} values",
            )
        self.prob.reshape(self.outer, self.classes, self.inner)
        if len(top) == 2:
            top[1].reshape_like(bottom[0])

    def top_memory(self, top_index: int) -> TopMemory:
        """Say that the probabilities are those that the gradient is computed from."""
        return TopMemory.KEPT if top_index == 1 else TopMemory.OWN

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute probabilities and loss."""
        prob = self.prob.data
        softmax_forward(bottom[0].data.reshape(prob.shape), prob)
        labels, valid = self._labels(bottom)
        sizes = (self.outer, self.inner, valid)
        self.divisor = normalizer(self.normalization, *sizes, self.layer_param.loss_param.pre_fixed_normalizer)
        top[0].data[...] = kernels.infogain_forward(prob, labels, self._matrix(bottom)) / self.divisor
        if len(top) == 2:
            top[1].share_data(self.prob)

    def _labels(self, bottom: Blobs) -> tuple[Array, int]:
        """Return the labels, -1 where ignored, and how many are not."""
        labels = read_labels(bottom[1].data, self.classes, self.ignore_label, "loss_param")
        if self.ignore_label is not None:
            labels = np.where(labels == self.ignore_label, -1, labels)
        return labels, int(np.count_nonzero(labels >= 0))

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the scores' gradient with p * (sum of the label's row of H) - H[label]."""
        self.refuse_label_gradient(propagate_down)
        if any(propagate_down[2:]):
            raise LayerError(
                "propagate_down[2]", "true", "the matrix H gets no gradient; write propagate_down: false for bottom 2"
            )
        if propagate_down[0]:
            labels, _ = self._labels(bottom)
            diff = bottom[0].diff.reshape(self.prob.shape)
            scale = self.gradient_scale(top)
            kernels.infogain_backward(self.prob.data, labels, self._matrix(bottom), scale, diff)

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Only the scores have a gradient."""
        return bottom_index == 0
