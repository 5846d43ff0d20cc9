"""Pooling with avg_include_pad: false. Source: intel/caffe, src/caffe/layers/pooling_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.costs import Reach
from caffelite.core.kernels import pooling as kernels
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.pooling import NO_COLUMNS, formula_of_windows, is_mean, windows_of
from caffelite.core.layers.shared.pooling_window import reach_of_windows


@register_layer("Pooling", when=lambda layer: is_mean(layer) and not layer.pooling_param.avg_include_pad)
class PixelMeanPoolingLayer(Layer):
    """Take the mean of the pixels in each window of each channel; what the padding holds does not count.

    bottom[0]: (N, C, H, W).
    top[0]:    (N, C, PH, PW) as of MAX pooling; a window without pixels gives 0.

    Raises LayerError for a bottom of other than 4 axes, and for windows that do not fit.
    """

    messages = ("pooling_param",)
    fork: ClassVar[str] = "Intel"
    no_columns = NO_COLUMNS
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the numbers of the window."""
        return formula_of_windows("mean over", self.window)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top; find out how much larger each window is than its part in the image."""
        self.window, shape = windows_of(self.layer_param.pooling_param, bottom)
        top[0].reshape(*shape)
        window = self.window
        rows = _excess(shape[2], window.kernel_h, window.stride_h, window.pad_h, bottom[0].shape[2])
        columns = _excess(shape[3], window.kernel_w, window.stride_w, window.pad_w, bottom[0].shape[3])
        self._excess = np.outer(rows, columns).astype(self.dtype)

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach:
        """Return the window."""
        return reach_of_windows(self.layer_param.pooling_param, self.window)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        kernels.ave_pool_forward(bottom[0].data, self.window, top[0].data)
        top[0].data[...] *= self._excess

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Spread each gradient evenly over the pixels of its window."""
        if propagate_down[0]:
            kernels.ave_pool_backward(top[0].diff * self._excess, self.window, bottom[0].diff)


def _excess(windows: int, kernel: int, stride: int, pad: int, size: int) -> Array:
    """Return, for the windows along one axis, their length with padding over that without; 0 where that is none."""
    first = np.arange(windows) * stride - pad
    whole = np.minimum(first + kernel, size + pad) - first
    inside = np.minimum(first + kernel, size) - np.maximum(first, 0)
    return np.where(inside > 0, whole / np.maximum(inside, 1), 0)
