"""Axpy: a blob scaled by channel, plus another blob. Source: hujie-frank/SENet, include/caffe/layers/axpy_layer.hpp."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Axpy")
class AxpyLayer(Layer):
    """Multiply each channel of bottom[1] by a number of bottom[0] and add bottom[2].

    bottom[0]: the numbers a: (N, C), or with further axes of 1.
    bottom[1]: x: (N, C, ...).
    bottom[2]: z: the shape of x.
    top[0]:    the shape of x.

    Raises LayerError for shapes that do not fit.
    """

    messages = ()
    formula = "y[n, c, i] = a[n, c] * x[n, c, i] + z[n, c, i]"
    fork = "SENet"
    exact_num_bottom_blobs = 3
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check that the shapes fit and shape the top."""
        scale, shape, other = (blob.shape for blob in bottom)
        if len(shape) < 2:
            raise LayerError("bottom[1]", shape_or_scalar(shape), "it needs axes for items and channels")
        if scale[:2] != shape[:2] or prod(scale[2:]) != 1:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(scale),
                f"give one number for each channel of bottom[1]: {shape[0]} x {shape[1]}, and 1 on further axes",
            )
        if other != shape:
            raise LayerError(
                "bottom[2]", shape_or_scalar(other), f"it needs the shape of bottom[1], {shape_or_scalar(shape)}"
            )
        self._around = (*shape[:2], prod(shape[2:]))
        top[0].reshape(*shape)

    @np.errstate(over="ignore", invalid="ignore")  # a net that diverges is the solver's affair
    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        scale = bottom[0].data.reshape(*self._around[:2], 1)
        y = top[0].data.reshape(self._around)
        np.multiply(scale, bottom[1].data.reshape(self._around), out=y)
        top[0].data[...] += bottom[2].data

    @np.errstate(over="ignore", invalid="ignore")
    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the gradients of the bottoms."""
        scale = bottom[0].data.reshape(*self._around[:2], 1)
        x, dy = bottom[1].data.reshape(self._around), top[0].diff.reshape(self._around)
        if propagate_down[0]:
            np.sum(dy * x, axis=2, out=bottom[0].diff.reshape(self._around[:2]))
        if propagate_down[1]:
            np.multiply(scale, dy, out=bottom[1].diff.reshape(self._around))
        if propagate_down[2]:
            bottom[2].diff[...] = top[0].diff
