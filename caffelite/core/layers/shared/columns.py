"""im2col and col2im of one image, for the number of spatial axes that a window has."""

from __future__ import annotations

from functools import cached_property
from math import prod

from caffelite.core.blob import Array, Shape
from caffelite.core.kernels.convolution import im2col as kernels
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.layers.shared.window import Window


class Columns:
    """Images (channels, *spatial) as columns (channels * taps, windows) and back.

    All arrays are C-contiguous, of one number type. `general` takes the way for any number of axes with two axes, too.
    """

    def __init__(self, channels: int, spatial: Shape, window: Window, general: bool = False) -> None:
        self._spatial, self._window = spatial, window
        self._out_spatial = window.convolved(spatial)
        self.image_shape = (channels, *spatial)
        self.shape = (channels * prod(window.kernel), prod(self._out_spatial))
        flat = len(spatial) == 2 and not general
        self._geometry = geometry_of(1, channels, spatial, 1, 1, window) if flat else None

    @cached_property
    def _table(self) -> Array:
        """Which pixel each tap of each window reads."""
        kernel_shape, stride, pad, dilation = self._window
        return kernels.tap_table(self._spatial, kernel_shape, stride, pad, dilation, self._out_spatial)

    def im2col(self, image: Array, columns: Array) -> None:
        """Overwrite `columns` with the windows of `image`; taps outside are 0."""
        if self._geometry is not None:
            kernels.im2col(image.reshape(self.image_shape), self._geometry, columns.reshape(-1, *self._out_spatial))
        else:
            kernels.im2col_nd(image.reshape(self.image_shape[0], -1), self._table, columns.reshape(self.shape))

    def col2im(self, columns: Array, image: Array) -> None:
        """Overwrite `image`: each pixel is the sum of its values in all windows."""
        if self._geometry is not None:
            kernels.col2im(columns.reshape(-1, *self._out_spatial), self._geometry, image.reshape(self.image_shape))
        else:
            kernels.col2im_nd(columns.reshape(self.shape), self._table, image.reshape(self.image_shape[0], -1))


def geometry_of(num: int, channels: int, spatial: Shape, num_output: int, group: int, window: Window) -> Geometry:
    """Return the geometry of a convolution with at most 2 spatial axes; missing ones are 1 pixel high."""
    missing = 2 - len(spatial)
    height, width = (1,) * missing + spatial
    kernel_h, kernel_w = (1,) * missing + window.kernel
    stride_h, stride_w = (1,) * missing + window.stride
    pad_h, pad_w = (0,) * missing + window.pad
    dilation_h, dilation_w = (1,) * missing + window.dilation
    return Geometry(
        num,
        channels,
        height,
        width,
        num_output,
        group,
        kernel_h,
        kernel_w,
        stride_h,
        stride_w,
        pad_h,
        pad_w,
        dilation_h,
        dilation_w,
    )
