"""Pooling: one number per window. Source: src/caffe/layers/pooling_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array, Blob
from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels import pooling as kernels
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.shared.pooling_window import pooled_shape, pooling_window, reach_of_windows, words_of_windows
from caffelite.proto import caffe_pb2

Param = caffe_pb2.PoolingParameter
NO_COLUMNS = "it works on the windows of each channel by themselves"
NO_MEAN = {"pooling_param.avg_include_pad": "it is for pool: AVE"}


@register_layer("Pooling", when=lambda layer: layer.pooling_param.pool == Param.MAX)
class MaxPoolingLayer(Layer):
    """Keep the largest value of each window of each channel, the first of equal ones.

    bottom[0]: (N, C, H, W).
    top[0]:    (N, C, PH, PW), PH = ceil((H + 2 * pad_h - kernel_h) / stride_h) + 1; PW alike. Rounded down with
               round_mode: FLOOR, ceil_mode: false (soeaver) or torch_pooling: true (NVIDIA).
    top[1]:    optional, the same shape: where in the plane each value was found, h * W + w.

    A window without pixels (kernel smaller than stride, no padding) gives -FLT_MAX and place -1, and gets no gradient.
    Raises LayerError for a bottom of other than 4 axes, and for windows that do not fit.
    """

    messages = ("pooling_param",)
    not_read = NO_MEAN
    no_columns = NO_COLUMNS
    exact_num_bottom_blobs = 1
    min_top_blobs = 1
    max_top_blobs = 2

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the numbers of the window."""
        return formula_of_windows("max over", self.window)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the tops; make room for the places."""
        self.window, shape = windows_of(self.layer_param.pooling_param, bottom)
        for blob in top:
            blob.reshape(*shape)
        self.argmax = np.full(shape, -1, np.int32)  # no pixel, should a pass back come before the first pass forward

    def gradient_reads_tops(self) -> tuple[int, ...]:
        """Say that the places of the largest values are read from top[1], as in Caffe."""
        return (1,) if len(self.layer_param.top) > 1 else ()

    def state_bytes(self) -> int:
        """Return the size of the places."""
        return self.argmax.nbytes

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach:
        """Return the window."""
        return reach_of_windows(self.layer_param.pooling_param, self.window)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the tops."""
        kernels.max_pool_forward(bottom[0].data, self.window, top[0].data, self.argmax)
        if len(top) == 2:
            top[1].data[...] = self.argmax

    def _take_places(self, places: Array, bottom: Blob) -> None:
        """Take the places of the largest values; LayerError if one of them lies outside the image."""
        pixels = bottom.count_between(2)
        wrong = ~((places >= -1) & (places < pixels))
        if wrong.any():
            value = f"{places[wrong][0]:g}"
            raise LayerError("top[1]", value, f"it holds places of pixels, 0 to {pixels - 1}, or -1 for none")
        self.argmax[...] = places

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Send each gradient to the pixel that was largest; overlapping windows add up."""
        if propagate_down[0]:
            if len(top) == 2:  # as Caffe: the user may have changed the places
                self._take_places(top[1].data, bottom[0])
            kernels.max_pool_backward(top[0].diff, self.argmax, bottom[0].diff)


@register_layer("Pooling", when=lambda layer: is_mean(layer) and layer.pooling_param.avg_include_pad)
class AvePoolingLayer(Layer):
    """Take the mean of each window of each channel; zeros of the padding count, what lies beyond it does not.

    bottom[0]: (N, C, H, W).
    top[0]:    (N, C, PH, PW) as of MAX pooling.

    Raises LayerError for a bottom of other than 4 axes, and for windows that do not fit.
    """

    messages = ("pooling_param",)
    no_columns = NO_COLUMNS
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the numbers of the window."""
        return formula_of_windows("mean over", self.window, "padding counting as 0")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        self.window, shape = windows_of(self.layer_param.pooling_param, bottom)
        top[0].reshape(*shape)

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach:
        """Return the window."""
        return reach_of_windows(self.layer_param.pooling_param, self.window)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        kernels.ave_pool_forward(bottom[0].data, self.window, top[0].data)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Spread each gradient evenly over its window."""
        if propagate_down[0]:
            kernels.ave_pool_backward(top[0].diff, self.window, bottom[0].diff)


def is_mean(layer: caffe_pb2.LayerParameter) -> bool:
    """Whether the layer makes means of windows."""
    return layer.pooling_param.pool == Param.AVE


def windows_of(param: Param, bottom: Blobs) -> tuple[kernels.Window, tuple[int, ...]]:
    """Return the window and the shape of the top; LayerError for other than 4 axes and for windows that do not fit."""
    if bottom[0].num_axes != 4:
        raise LayerError(
            "bottom[0]", shape_or_scalar(bottom[0].shape), "Input must have 4 axes, (num, channels, height, width)"
        )
    num, channels, height, width = bottom[0].shape
    window = pooling_window(param, height, width)
    return window, (num, channels, *pooled_shape(param, window, height, width))


def formula_of_windows(what: str, window: kernels.Window, outside: str = "pixels outside left out") -> str:
    """Return the formula of a pooling layer that makes `what` of each window."""
    words = words_of_windows(window)
    bounds, pixels = ", ".join(words.bounds), ", ".join(words.inputs)
    return f"y[n, c, p, q] = {what} {bounds} of x[n, c, {pixels}], {outside}"
