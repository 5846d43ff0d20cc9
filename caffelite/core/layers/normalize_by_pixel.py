"""Normalize (happynear): pixels made 1 long. Source: happynear/caffe-windows, src/caffe/layers/normalize_layer.cpp."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer

EPS = 1e-6


@register_layer("Normalize", when=lambda layer: layer.HasField("normalize_param"))
class NormalizeByPixelLayer(Layer):
    """Divide each pixel by its length: the root of the sum of squares over the channels, or the sum of absolutes.

    bottom[0]: (N, C, ...); without spatial axes each item is a pixel, as the features of a face are.
    top[0]:    the same shape: x / r, r = sqrt(sum of x * x + 1e-6), or with normalize_type: "L1" sum of |x| + 1e-6.
    top[1]:    optional, the lengths r: (N, 1, ...). Its gradient goes back only with bp_norm: true.

    happynear's form, taken where `normalize_param` is written; there is no scale to learn. Raises LayerError for
    another normalize_type and for a bottom without channels.
    """

    messages = ("normalize_param",)
    not_read = {"normalize_param.fix_gradient": "the gradient is always that of the loss"}
    formula = "y = x / ({normalize_param.normalize_type} norm of the pixel's channels); 1e-6 is added in the norm"
    fork = "happynear"
    exact_num_bottom_blobs = 1
    min_top_blobs = 1
    max_top_blobs = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Check the type."""
        kind = self.layer_param.normalize_param.normalize_type
        if kind not in ("L1", "L2"):
            raise LayerError("normalize_param.normalize_type", f'"{kind}"', 'use "L2" or "L1"')
        self.squares = kind == "L2"

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the tops; make room for the lengths."""
        shape = bottom[0].shape
        if len(shape) < 2:
            raise LayerError("bottom[0]", shape_or_scalar(shape), "Normalize needs axes for items and channels")
        self._around = (*shape[:2], prod(shape[2:]))
        self._length = np.full((shape[0], 1, self._around[2]), np.nan, self.dtype)  # until the first pass forward
        top[0].reshape(*shape)
        if len(top) == 2:
            top[1].reshape(shape[0], 1, *shape[2:])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the tops."""
        x, y = (blob.data.reshape(self._around) for blob in (bottom[0], top[0]))
        with np.errstate(over="ignore", invalid="ignore"):  # as in C: inf or nan where it must be
            np.square(x, out=y) if self.squares else np.abs(x, out=y)
            np.sum(y, axis=1, keepdims=True, out=self._length)
            self._length += EPS
            if self.squares:
                np.sqrt(self._length, out=self._length)
            np.divide(x, self._length, out=y)
        if len(top) == 2:
            top[1].data[...] = self._length.reshape(top[1].shape)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient; the length depends on the bottom, too."""
        if not propagate_down[0]:
            return
        x, dy, dx = (array.reshape(self._around) for array in (bottom[0].data, top[0].diff, bottom[0].diff))
        with np.errstate(over="ignore", invalid="ignore"):
            unit = x / self._length
            of_length = -np.sum(unit * dy, axis=1, keepdims=True) / self._length
            if len(top) == 2 and self.layer_param.normalize_param.bp_norm:
                of_length += top[1].diff.reshape(self._length.shape)
            np.divide(dy, self._length, out=dx)
            dx += of_length * (unit if self.squares else np.sign(x))
