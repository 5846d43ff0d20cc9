"""Split: one blob for several readers; the net inserts it. Source: src/caffe/layers/split_layer.cpp."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.kernels import elementwise
from caffelite.core.layer import Blobs, Layer, TopMemory, register_layer


@register_layer("Split")
class SplitLayer(Layer):
    """Give several layers the same values; add up the gradients that come back.

    bottom[0]: any shape. top[i]: the same shape; its data is the bottom's memory, its diff its own.

    Raises LayerError if a top is the bottom itself, and for a bottom that has no shape yet.
    """

    messages = ()
    formula = "y = x, once for each top; gradients add up"
    handles_in_place = True
    exact_num_bottom_blobs = 1
    min_top_blobs = 1
    gradient_reads_bottoms = False

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the tops and let them use the bottom's memory, so that layers behind may run without a pass here."""
        if not bottom[0].shape and not bottom[0].count:
            raise LayerError("bottom[0]", "without a shape", "a blob that several layers read needs one")
        for blob in top:
            if blob is bottom[0]:
                raise LayerError("top", "the bottom itself", "a Split does not work in place; name its tops otherwise")
            blob.reshape_like(bottom[0])
            blob.share_data(bottom[0])

    def top_memory(self, top_index: int) -> TopMemory:
        """Say that all tops are the bottom's memory."""
        return TopMemory.BOTTOM

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Let the tops use the bottom's memory, which may have moved since the last pass."""
        for blob in top:
            blob.share_data(bottom[0])

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the sum of the tops'."""
        if propagate_down[0]:
            elementwise.sum_of([blob.diff for blob in top], bottom[0].diff)
