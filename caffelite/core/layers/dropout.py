"""Dropout: while training, a random share of the values is 0. Source: src/caffe/layers/dropout_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.kernels.dropout import dropout
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.proto import caffe_pb2


@register_layer("Dropout")
class DropoutLayer(Layer):
    """In TRAIN, zero each value with probability dropout_ratio and divide the others by 1 - dropout_ratio.

    bottom[0]: any shape. top[0]: the same shape, or the bottom itself (in place). In TEST it is the bottom's values.

    Of forks: with scale_train: false (Fast R-CNN's) TRAIN does not divide, and TEST multiplies by 1 - dropout_ratio
    instead; with sample_weights_test: true (Bayesian SegNet's) TEST drops as TRAIN does, other values in each pass.
    Which values is a function of seed, layer name, pass and element: nothing has to be kept for backward.
    Raises LayerError unless 0 <= dropout_ratio < 1.
    """

    messages = ("dropout_param",)
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula of both phases."""
        ratio, param = self.dropout_ratio, self.layer_param.dropout_param
        kept = f"x / (1 - {ratio:g})" if param.scale_train else "x"
        drawn = f"y = {kept}, or 0 with probability {ratio:g}"
        if param.sample_weights_test:
            return f"{drawn}; in TEST, too"
        return f"{drawn}; in TEST y = {'x' if param.scale_train else f'{1 - ratio:g} * x'}"

    @property
    def drops(self) -> bool:
        """Whether passes drop values."""
        return self.phase == caffe_pb2.TRAIN or self.layer_param.dropout_param.sample_weights_test

    @property
    def factor(self) -> float:
        """What passes that drop nothing multiply by."""
        return 1.0 if self.layer_param.dropout_param.scale_train else 1 - self.dropout_ratio

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
        if self.drops:
            self._key = self.random_key()
        self._pass_on(bottom[0].data, top[0].data)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Pass the gradient on as the last forward passed the values."""
        if propagate_down[0]:
            self._pass_on(top[0].diff, bottom[0].diff)

    def _pass_on(self, values: Array, out: Array) -> None:
        if self.drops:
            scaled = self.layer_param.dropout_param.scale_train
            dropout(values, self._key, self.dropout_ratio, out, scaled)
        elif self.factor != 1:
            np.multiply(values, self.dtype.type(self.factor), out=out)
        elif out is not values:
            out[...] = values
