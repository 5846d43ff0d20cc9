"""Filter: the items of a batch that a selector names. Source: src/caffe/layers/filter_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Filter")
class FilterLayer(Layer):
    """Keep the items for which the selector is not 0, in their order.

    bottom[i]: (N, ...), for i from 0 to k - 1: what is filtered.
    bottom[k]: the selector, (N), or with further axes of size 1; NaN counts as not 0.
    top[i]: bottom[i] with as many items as are selected, possibly none. Set-up, before there are values, gives all N.

    Raises LayerError unless there is one top fewer than bottoms, for bottoms of different N, and when asked for the
    gradient of the selector, which gets none from `force_backward` (Caffe stops there).
    """

    messages = ()
    formula = "y[i] = the items of each bottom whose selector (the last bottom) is not 0, in their order"
    min_bottom_blobs = 2
    min_top_blobs = 1
    reshape_every_pass = True

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Check the number of tops."""
        if len(top) != len(bottom) - 1:
            raise LayerError(
                "top", f"given {len(top)} times", f"{len(bottom)} bottoms, the last a selector, need {len(bottom) - 1}"
            )
        self.rows: Array | None = None
        self.selector = len(bottom) - 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Read the selector and shape the tops."""
        selector = bottom[-1]
        if selector.num_axes == 0 or selector.count_between(1) != 1:
            raise LayerError(
                f"bottom[{self.selector}]", shape_or_scalar(selector.shape), "the selector holds one value an item"
            )
        for index, blob in enumerate(bottom[:-1]):
            if blob.shape[:1] != selector.shape[:1]:
                raise LayerError(
                    f"bottom[{index}]",
                    shape_or_scalar(blob.shape),
                    f"its first axis must be as long as the selector, {shape_string(selector.shape)}",
                )
        if self.rows is None:
            self.rows = np.arange(selector.shape[0])
        else:
            self.rows = np.flatnonzero(selector.data)
        for source, blob in zip(bottom, top, strict=False):
            blob.reshape(len(self.rows), *source.shape[1:])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Copy the selected items."""
        assert self.rows is not None
        for source, blob in zip(bottom, top, strict=False):
            np.take(source.data, self.rows, axis=0, out=blob.data, mode="clip")  # else `out` would be buffered

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the gradients: those of the tops at the selected items, 0 elsewhere."""
        if propagate_down[-1]:
            raise LayerError(
                f"propagate_down[{self.selector}]",
                "true",
                f"the selector gets no gradient; write propagate_down: false for bottom {self.selector}",
            )
        for blob, source, wanted in zip(top, bottom, propagate_down, strict=False):
            if wanted:
                source.diff.fill(0)
                source.diff[self.rows] = blob.diff

    def allow_force_backward(self, bottom_index: int) -> bool:
        """All but the selector have gradients."""
        return bottom_index != self.selector
