"""ContrastiveLoss: similar pairs close, others apart. Source: src/caffe/layers/contrastive_loss_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.loss import LossLayer

NEAR_ZERO = 1e-4  # added to a distance before dividing by it


@register_layer("ContrastiveLoss")
class ContrastiveLossLayer(LossLayer):
    """Add up d^2 of similar pairs and max(margin - d, 0)^2 of the others, d their distance; divide by 2 N.

    bottom[0], bottom[1]: (N, C), or with further axes of size 1; pair n is row n of both, and both get gradients.
    bottom[2]: N values; a pair is similar unless its value, the fraction cut off, is 0.
    top[0]: (), the loss; with legacy_version, which misread the paper, it has max(margin - d^2, 0) for unlike pairs.

    Raises LayerError for bottoms of other shapes.
    """

    messages = ("contrastive_loss_param",)
    formula = (
        "y = sum over n < {bottom[0].shape[0]} of d^2 of similar pairs, "
        "max({contrastive_loss_param.margin:g} - d, 0)^2 of others (legacy_version "
        "{contrastive_loss_param.legacy_version}: max(margin - d^2, 0)), divided by 2 * "
        "{bottom[0].shape[0]}; d = |bottom[0][n] - bottom[1][n]|"
    )
    exact_num_bottom_blobs = 3

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the shapes; make room for the differences."""
        shape = bottom[0].shape
        if len(shape) < 2 or bottom[0].count_between(2) != 1:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(shape),
                "it must be (N, C), further axes of size 1; flatten or pool it first",
            )
        for index, want in ((1, bottom[0].count), (2, shape[0])):
            if bottom[index].shape[:1] != shape[:1] or bottom[index].count != want:
                raise LayerError(
                    f"bottom[{index}]",
                    shape_or_scalar(bottom[index].shape),
                    f"bottom[0] is {shape_string(shape)}, so it needs {shape[0]} rows and {want} values",
                )
        self.difference = np.zeros((shape[0], shape[1]), self.dtype)
        self.similar = np.zeros(shape[0], bool)
        self.param = self.layer_param.contrastive_loss_param
        top[0].reshape()

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute differences, distances and the loss."""
        difference = self.difference
        np.subtract(bottom[0].data.reshape(difference.shape), bottom[1].data.reshape(difference.shape), out=difference)
        self.similar = np.abs(bottom[2].data.reshape(-1)) >= 1
        square = self._squares()
        if self.param.legacy_version:
            unlike = np.maximum(self.param.margin - square, 0)
        else:
            unlike = np.maximum(self.param.margin - np.sqrt(square), 0) ** 2
        top[0].data[...] = np.where(self.similar, square, unlike).sum() / (2 * max(len(square), 1))

    def _squares(self) -> Array:
        squares: Array = np.einsum("nc,nc->n", self.difference, self.difference)
        return squares

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the gradients of bottoms 0 and 1, one the negative of the other; bottom 2 is left alone."""
        factor = np.where(self.similar, 1, self._unlike_factor())
        factor *= self.loss_weight(top) / max(len(factor), 1)
        for blob, wanted, sign in zip(bottom, propagate_down, (1, -1), strict=False):
            if wanted:
                column = (sign * factor).astype(self.dtype)[:, np.newaxis]
                np.multiply(self.difference, column, out=blob.diff.reshape(self.difference.shape))

    def _unlike_factor(self) -> Array:
        """By what the difference of each unlike pair is multiplied; 0 beyond the margin."""
        square = self._squares()
        factor: Array
        if self.param.legacy_version:
            factor = np.where(self.param.margin - square > 0, -1.0, 0.0)
        else:
            distance = np.sqrt(square)
            missing = self.param.margin - distance
            factor = np.where(missing > 0, -missing / (distance + NEAR_ZERO), 0.0)
        return factor

    def allow_force_backward(self, bottom_index: int) -> bool:
        """All but the likeness of the pairs have gradients."""
        return bottom_index != 2
