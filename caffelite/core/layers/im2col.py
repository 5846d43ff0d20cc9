"""Im2col: the windows of a convolution as channels. Source: layers/im2col_layer.cpp."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError, UsageError
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.shared.columns import Columns
from caffelite.core.layers.shared.window import window_from_param, words_of


@register_layer("Im2col")
class Im2colLayer(Layer):
    """Copy every window of the image, as a convolution would read it.

    bottom[0]: (N..., C, d_1, ..., d_S), S >= 1; `axis` says where C is.
    top[0]:    (N..., C * taps, p_1, ..., p_S): channel c * taps + t holds tap t of channel c, kernel positions counted
               row by row; sizes as of Convolution.

    Reads kernel, stride, pad, dilation, axis and force_nd_im2col of convolution_param. Raises LayerError if the window
    does not fit or there is no spatial axis.
    """

    messages = ("convolution_param",)
    not_read = {
        "convolution_param.num_output": "it is for layers with weights",
        "convolution_param.bias_term": "it is for layers with weights",
        "convolution_param.group": "it is for layers with weights",
        "convolution_param.weight_filler": "it is for layers with weights",
        "convolution_param.bias_filler": "it is for layers with weights",
    }
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        param = self.layer_param.convolution_param
        axis = self.canonical_axis(bottom[0], param.axis, "convolution_param.axis")
        batch, (channels, *spatial) = bottom[0].shape[:axis], bottom[0].shape[axis:]
        if not spatial:
            raise LayerError("convolution_param.axis", param.axis, "there must be a spatial axis after it")
        self.window = window = window_from_param(param, len(spatial))
        self.num = prod(batch)
        self.image_shape = (channels, *spatial)
        self._columns = Columns(channels, tuple(spatial), window, param.force_nd_im2col)
        top[0].reshape(*batch, self._columns.shape[0], *window.convolved(tuple(spatial)))

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the numbers of the window."""
        words = words_of(self.window)
        row = f"c * {prod(self.window.kernel)}"
        for size, tap, rest in zip(self.window.kernel, words.taps, range(len(words.taps), 0, -1), strict=True):
            stride = prod(self.window.kernel[-rest + 1 :]) if rest > 1 else 1
            row += f" + {tap}" if stride == 1 or size == 1 else f" + {tap} * {stride}"
        return (
            f"y[n, {row}, {', '.join(words.outputs)}] = x[n, c, {', '.join(words.inputs)}], {', '.join(words.bounds)}"
        )

    def columns(self, sample: Array) -> Array:
        """Return the columns of one image (C, d_1, ..., d_S), (1, C * taps, windows); UsageError for another shape."""
        values = np.asarray(sample)
        if values.shape != self.image_shape:
            raise UsageError(
                f'layer "{self.name}" ({self.type}): the sample is of shape {values.shape}; give one image of the '
                f"bottom, of shape {self.image_shape}"
            )
        columns = np.empty(self._columns.shape, self.dtype)
        self._columns.im2col(np.ascontiguousarray(values, self.dtype), columns)
        return columns[np.newaxis]

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return the window's extent and stride."""
        if top[0].num_axes != len(self.window.kernel) + 2:
            return None
        return Reach(self.window.extent, tuple(map(Fraction, self.window.stride)))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top's data."""
        columns = top[0].data.reshape(self.num, *self._columns.shape)
        for image, column in zip(bottom[0].data.reshape(self.num, *self.image_shape), columns, strict=True):
            self._columns.im2col(image, column)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Fill the bottom's diff: each pixel's is the sum over the windows that hold it."""
        if not propagate_down[0]:
            return
        columns = top[0].diff.reshape(self.num, *self._columns.shape)
        for image, column in zip(bottom[0].diff.reshape(self.num, *self.image_shape), columns, strict=True):
            self._columns.col2im(column, image)
