"""SpatialDropout: Dropout of whole channels. Source: intel/caffe, src/caffe/layers/spatial_dropout_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels.dropout import dropout
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.proto import caffe_pb2


@register_layer("SpatialDropout")
class SpatialDropoutLayer(Layer):
    """In TRAIN, zero each channel of each item with probability dropout_ratio, divide the others by 1 - dropout_ratio.

    bottom[0]: (N, C, ...). top[0]: the same shape, or the bottom itself (in place). In TEST it is the bottom's values.

    dropout_ratio is that of spatial_dropout_param or of dropout_param: the fork declares the one and reads the other.
    Which channels is a function of seed, layer name, pass and channel. Raises LayerError unless
    0 <= dropout_ratio < 1, for two ratios that differ, and for a bottom without channels.
    """

    messages = ("dropout_param", "spatial_dropout_param")
    not_read = {
        "dropout_param.scale_train": "what is kept is always divided by 1 - dropout_ratio in TRAIN",
        "dropout_param.sample_weights_test": "SpatialDropout drops nothing in TEST",
    }
    fork: ClassVar[str] = "Intel"
    formula = (
        "y[n, c, i] = x[n, c, i] / (1 - {layer.dropout_ratio:g}), or 0 with probability {layer.dropout_ratio:g} for "
        "all i at once; in TEST y = x"
    )
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the ratio."""
        own, other = self.layer_param.spatial_dropout_param, self.layer_param.dropout_param
        given = own if own.HasField("dropout_ratio") or not other.HasField("dropout_ratio") else other
        self.dropout_ratio = given.dropout_ratio
        if other.HasField("dropout_ratio") and other.dropout_ratio != self.dropout_ratio:
            raise LayerError(
                "dropout_param.dropout_ratio",
                f"{other.dropout_ratio:g}",
                f"spatial_dropout_param.dropout_ratio is {self.dropout_ratio:g}; leave out one of them",
            )
        if not 0 <= self.dropout_ratio < 1:
            field = "spatial_dropout_param" if given is own else "dropout_param"
            raise LayerError(
                f"{field}.dropout_ratio", f"{self.dropout_ratio:g}", "use a share from 0 to less than 1, such as 0.5"
            )
        self._key = 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        if bottom[0].num_axes < 2:
            raise LayerError("bottom[0]", shape_or_scalar(bottom[0].shape), "channels are on axis 1; use (N, C, ...)")
        top[0].reshape_like(bottom[0])
        self._around = (bottom[0].count_between(0, 2), bottom[0].count_between(2))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        self._key = self.random_key()
        self._pass_on(bottom[0].data, top[0].data)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Pass the gradient on as the last forward passed the values."""
        if propagate_down[0]:
            self._pass_on(top[0].diff, bottom[0].diff)

    def _pass_on(self, values: Array, out: Array) -> None:
        if self.phase != caffe_pb2.TRAIN:
            if out is not values:
                out[...] = values
            return
        factors = np.ones(self._around[0], self.dtype)
        dropout(factors, self._key, self.dropout_ratio, factors)
        out = out.reshape(self._around)
        np.multiply(values.reshape(self._around), factors[:, None], out=out)
        out[factors == 0] = 0  # a NaN that is dropped is gone, as from Dropout
