"""EuclideanLoss: half the mean squared distance. Source: src/caffe/layers/euclidean_loss_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.kernels import elementwise as kernels
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.loss import LossLayer


@register_layer("EuclideanLoss")
class EuclideanLossLayer(LossLayer):
    """Add up the squared differences of two blobs and divide by twice the batch size.

    bottom[0], bottom[1]: (N, ...), equally many values an item; both get gradients.
    top[0]: (), sum((bottom[0] - bottom[1])^2) / (2 N).

    Raises LayerError if the batch sizes or the counts of an item differ.
    """

    messages = ()
    formula = "y = sum of (bottom[0] - bottom[1])^2 over {bottom[0].count} values / (2 * {bottom[0].shape[0]})"

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check that the bottoms have equal counts; keep room for their difference."""
        super().reshape(bottom, top)
        if bottom[0].count_between(1) != bottom[1].count_between(1):
            raise LayerError(
                "bottom[1]",
                shape_or_scalar(bottom[1].shape),
                f"an item needs as many values as in bottom[0], {shape_string(bottom[0].shape)}",
            )
        self.difference = np.zeros(bottom[0].shape, self.dtype)

    @np.errstate(over="ignore", invalid="ignore")  # a net that diverges is the solver's affair
    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute the loss; the difference is kept for backward."""
        kernels.weighted_sum(1, bottom[0].data, -1, bottom[1].data, self.difference)
        top[0].data[...] = kernels.sum_of_squares(self.difference) / (2 * self._batch(bottom))

    @np.errstate(over="ignore", invalid="ignore")
    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottoms' gradients, one the negative of the other."""
        for blob, wanted, sign in zip(bottom, propagate_down, (1, -1), strict=True):
            if wanted:
                kernels.scale(sign * self.loss_weight(top) / self._batch(bottom), self.difference, blob.diff)

    def _batch(self, bottom: Blobs) -> int:
        return max(bottom[0].shape[0], 1)  # no items, as a Filter may leave: no loss

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Both bottoms have gradients."""
        return True
