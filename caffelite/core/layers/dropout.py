"""Dropout: while training, a random share of the values is 0. Source: src/caffe/layers/dropout_layer.cpp."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.kernels.dropout import dropout
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.proto import caffe_pb2


@register_layer("Dropout")
class DropoutLayer(Layer):
    """In TRAIN, zero each value with probability dropout_ratio and divide the others by 1 - dropout_ratio.

    bottom[0]: any shape. top[0]: the same shape, or the bottom itself (in place). In TEST it is the bottom's values.

    Which values is a function of seed, layer name, pass and element: nothing has to be kept for backward.
    Raises LayerError unless 0 <= dropout_ratio < 1.
    """

    messages = ("dropout_param",)
    formula = "y = x / (1 - {layer.dropout_ratio:g}), or 0 with probability {layer.dropout_ratio:g}; in TEST y = x"
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the ratio."""
        self.dropout_ratio = self.layer_param.dropout_param.dropout_ratio
        if not 0 <= self.dropout_ratio < 1:
            raise LayerError(
                "dropout_param.dropout_ratio",
                f"{self.dropout_ratio:g}",
                "use a share from 0 to less than 1, such as 0.5",
            )
        self._key = 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        if self.phase == caffe_pb2.TRAIN:
            self._key = self.random_key()
            dropout(bottom[0].data, self._key, self.dropout_ratio, top[0].data)
        elif top[0] is not bottom[0]:
            top[0].data[...] = bottom[0].data

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Pass the gradient on as the last forward passed the values."""
        if not propagate_down[0]:
            return
        if self.phase == caffe_pb2.TRAIN:
            dropout(top[0].diff, self._key, self.dropout_ratio, bottom[0].diff)
        elif top[0] is not bottom[0]:
            bottom[0].diff[...] = top[0].diff
