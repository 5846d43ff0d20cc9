"""Silence: reads blobs that nobody else wants. Source: src/caffe/layers/silence_layer.cpp."""

from __future__ import annotations

from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Silence")
class SilenceLayer(Layer):
    """Keep blobs from being outputs of the net; compute nothing.

    bottom[i]: any shape; its gradient is zero. top: none.
    """

    messages = ()
    formula = "nothing is computed; the gradients of the bottoms are 0"
    min_bottom_blobs = 1
    exact_num_top_blobs = 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Do nothing: there are no tops."""

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Do nothing."""

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Set the gradients to zero."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.diff.fill(0)
