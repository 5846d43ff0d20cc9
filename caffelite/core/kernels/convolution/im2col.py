"""im2col: every window of an image as a column, so that a convolution is one matrix product; col2im adds them back.

Row c * taps + t of the columns holds tap t of channel c of every window; taps are counted row by row over the kernel,
windows over the output pixels. Taps outside the image are 0. Source: src/caffe/util/im2col.cpp.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.jit.compile import kernel

Array = np.ndarray[Any, np.dtype[Any]]


@kernel
def im2col(image: Array, geometry: Geometry, columns: Array) -> None:
    """Overwrite columns (C * kernel_h * kernel_w, out_height, out_width) with the windows of image (C, H, W)."""
    channels, height, width = image.shape
    row = 0
    for c in range(channels):
        for kernel_row in range(geometry.kernel_h):
            for kernel_col in range(geometry.kernel_w):
                for out_row in range(columns.shape[1]):
                    h = out_row * geometry.stride_h - geometry.pad_h + kernel_row * geometry.dilation_h
                    for out_col in range(columns.shape[2]):
                        w = out_col * geometry.stride_w - geometry.pad_w + kernel_col * geometry.dilation_w
                        if 0 <= h < height and 0 <= w < width:
                            columns[row, out_row, out_col] = image[c, h, w]
                        else:
                            columns[row, out_row, out_col] = 0
                row += 1


@kernel
def col2im(columns: Array, geometry: Geometry, image: Array) -> None:
    """Overwrite image (C, H, W): each pixel is the sum of its values in columns; shapes as for im2col."""
    channels, height, width = image.shape
    image[...] = 0
    row = 0
    for c in range(channels):
        for kernel_row in range(geometry.kernel_h):
            for kernel_col in range(geometry.kernel_w):
                for out_row in range(columns.shape[1]):
                    h = out_row * geometry.stride_h - geometry.pad_h + kernel_row * geometry.dilation_h
                    for out_col in range(columns.shape[2]):
                        w = out_col * geometry.stride_w - geometry.pad_w + kernel_col * geometry.dilation_w
                        if 0 <= h < height and 0 <= w < width:
                            image[c, h, w] += columns[row, out_row, out_col]
                row += 1


def tap_table(
    spatial: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    dilation: tuple[int, ...],
    out: tuple[int, ...],
) -> Array:
    """Return (taps, windows) of int64: the pixel that a tap of a window reads, by its place in the flat image, or -1.

    All arguments have one number for each spatial axis; `out` counts the windows. This is what im2col and col2im of any
    number of axes go by.
    """
    table = np.zeros((1,) * 2 * len(spatial), np.int64)
    outside = np.zeros_like(table, bool)
    for axis, size in enumerate(spatial):
        taps = np.arange(kernel_shape[axis]) * dilation[axis]
        windows = np.arange(out[axis]) * stride[axis] - pad[axis]
        place = _along(axis, len(spatial), taps[:, None] + windows)
        table = table * size + place
        outside = outside | (place < 0) | (place >= size)
    taps_and_windows = table.shape[: len(spatial)], table.shape[len(spatial) :]
    return np.where(outside, -1, table).reshape([int(np.prod(shape)) for shape in taps_and_windows])


def _along(axis: int, axes: int, places: Array) -> Array:
    """Give (taps, windows) of one axis the shape that spreads over the taps of all axes, then the windows of all."""
    shape = [1] * 2 * axes
    shape[axis], shape[axes + axis] = places.shape
    return places.reshape(shape)


@kernel
def im2col_nd(image: Array, table: Array, columns: Array) -> None:
    """Overwrite columns (C * taps, windows) with the windows of image (C, pixels), as `table` (tap_table) says."""
    taps, windows = table.shape
    for c in range(image.shape[0]):
        for tap in range(taps):
            for p in range(windows):
                pixel = table[tap, p]
                if pixel >= 0:
                    columns[c * taps + tap, p] = image[c, pixel]
                else:
                    columns[c * taps + tap, p] = 0


@kernel
def col2im_nd(columns: Array, table: Array, image: Array) -> None:
    """Overwrite image (C, pixels): each pixel is the sum of its values in columns; shapes as for im2col_nd."""
    taps, windows = table.shape
    image[...] = 0
    for c in range(image.shape[0]):
        for tap in range(taps):
            for p in range(windows):
                pixel = table[tap, p]
                if pixel >= 0:
                    image[c, pixel] += columns[c * taps + tap, p]
