"""BatchReindex: items of a batch in a new order, or repeated. Source: src/caffe/layers/batch_reindex_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels.scatter_add import add_rows
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("BatchReindex")
class BatchReindexLayer(Layer):
    """Make a batch of the items whose numbers are given.

    bottom[0]: (N, ...).
    bottom[1]: (K), numbers from 0 to N - 1, fractions being cut off; in any order, repeated or left out.
    top[0]: (K, ...), item i being item bottom[1][i] of bottom[0]. Gradients of a repeated item add up.

    Raises LayerError for a number out of range and when asked for the gradient of the numbers, which get none from
    `force_backward` (Caffe stops there).
    """

    messages = ()
    formula = "y[k] = x[bottom[1][k]], k < {top[0].shape[0]}"
    exact_num_bottom_blobs = 2
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        if bottom[1].num_axes != 1:
            raise LayerError(
                "bottom[1]", shape_or_scalar(bottom[1].shape), "the numbers of the items need exactly 1 axis"
            )
        if bottom[0].num_axes == 0:
            raise LayerError("bottom[0]", "a scalar", "items need a batch axis")
        top[0].reshape(bottom[1].count, *bottom[0].shape[1:])

    def _index(self, bottom: Blobs) -> Array:
        """Return the numbers as integers; LayerError for one that no item has."""
        values, num = bottom[1].data, bottom[0].shape[0]
        wrong = ~((values >= 0) & (values < num))
        if wrong.any():
            place = int(np.argmax(wrong))
            raise LayerError(
                f"number {place} of bottom[1]", f"{values[place]:g}", f"bottom[0] has items 0 to {num - 1}"
            )
        index: Array = values.astype(np.int64)
        return index

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Copy the items."""
        index = self._index(bottom)
        np.take(bottom[0].data, index, axis=0, out=top[0].data, mode="clip")  # else `out` would be buffered

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the items' gradients with the sums of those of their copies."""
        if propagate_down[1]:
            raise LayerError(
                "propagate_down[1]",
                "true",
                "the numbers of items get no gradient; write propagate_down: false for them",
            )
        if propagate_down[0]:
            size = bottom[0].count_between(1)
            bottom[0].diff.fill(0)
            add_rows(
                top[0].diff.reshape(top[0].shape[0], size),
                self._index(bottom),
                bottom[0].diff.reshape(bottom[0].shape[0], size),
            )

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Only the items have gradients."""
        return bottom_index == 0
