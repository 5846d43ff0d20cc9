"""ContinuationIndicator: where sequences begin. Source: xmfbit/warpctc-caffe, continuation_indicator_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("ContinuationIndicator")
class ContinuationIndicatorLayer(Layer):
    """Say that each batch holds whole sequences: 0 at their first step, 1 at the others, as LSTM and RNN read it.

    top[0]: (T, N), T being time_step and N batch_size, both of which must be given.

    Raises LayerError for a time_step or batch_size of 0.
    """

    messages = ("continuation_indicator_param",)
    fork: ClassVar[str] = "xmfbit/warpctc-caffe"
    formula = "y = 0 for the first of {continuation_indicator_param.time_step} time steps, 1 for the others"
    exact_num_bottom_blobs = 0
    exact_num_top_blobs = 1
    has_backward = False

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        param = self.layer_param.continuation_indicator_param
        for name in ("time_step", "batch_size"):
            if getattr(param, name) == 0:
                raise LayerError(f"continuation_indicator_param.{name}", 0, "give it; use 1 or more")
        top[0].reshape(param.time_step, param.batch_size)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        top[0].data[0], top[0].data[1:] = 0, 1
