"""Pooling written plainly: as loops over windows, and by im2col. What faster code is compared with.

Shapes: bottom (N, C, H, W), top (N, C, H', W') with H' = (H - kernel) // stride + 1: no padding, no window that hangs
over. The loops use nothing but numbers and arrays, so that `numba.njit` compiles them as they stand.
"""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.testing.reference_convolution import col2im, im2col


def max_pool(bottom: Array, kernel: int, stride: int, top: Array, places: Array) -> None:
    """Fill `top` with the largest value of each window and `places` with where in the image it is (row * W + column).

    Of equal values the first is taken, as Caffe does.
    """
    num, channels, height, width = top.shape
    for n in range(num):
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    best_y, best_x = y * stride, x * stride
                    for i in range(y * stride, y * stride + kernel):
                        for j in range(x * stride, x * stride + kernel):
                            if bottom[n, c, i, j] > bottom[n, c, best_y, best_x]:
                                best_y, best_x = i, j
                    top[n, c, y, x] = bottom[n, c, best_y, best_x]
                    places[n, c, y, x] = best_y * bottom.shape[3] + best_x


def max_pool_backward(top_diff: Array, places: Array, bottom_diff: Array) -> None:
    """Fill `bottom_diff`: each window's gradient is added to the pixel that was its largest."""
    num, channels, height, width = top_diff.shape
    bottom_diff[...] = 0
    for n in range(num):
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    row, column = divmod(places[n, c, y, x], bottom_diff.shape[3])
                    bottom_diff[n, c, row, column] += top_diff[n, c, y, x]


def average_pool(bottom: Array, kernel: int, stride: int, top: Array) -> None:
    """Fill `top` with the average of each window."""
    num, channels, height, width = top.shape
    for n in range(num):
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    total = 0.0
                    for i in range(y * stride, y * stride + kernel):
                        for j in range(x * stride, x * stride + kernel):
                            total += bottom[n, c, i, j]
                    top[n, c, y, x] = total / (kernel * kernel)


def average_pool_backward(top_diff: Array, kernel: int, stride: int, bottom_diff: Array) -> None:
    """Fill `bottom_diff`: each window's gradient is shared equally among its pixels."""
    num, channels, height, width = top_diff.shape
    bottom_diff[...] = 0
    for n in range(num):
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    share = top_diff[n, c, y, x] / (kernel * kernel)
                    for i in range(y * stride, y * stride + kernel):
                        for j in range(x * stride, x * stride + kernel):
                            bottom_diff[n, c, i, j] += share


def pooled_shape(shape: tuple[int, ...], kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Return the shape of the top for a bottom of `shape`."""
    num, channels, height, width = shape
    return num, channels, (height - kernel) // stride + 1, (width - kernel) // stride + 1


def max_pool_im2col(bottom: Array, kernel: int, stride: int) -> tuple[Array, Array]:
    """Return the top, and for each window the row of its column (0 to kernel^2 - 1) in which the largest value is."""
    columns = _columns(bottom, kernel, stride)
    rows = columns.argmax(1)
    top = np.take_along_axis(columns, rows[:, np.newaxis], axis=1)
    return top.reshape(pooled_shape(bottom.shape, kernel, stride)), rows


def max_pool_backward_im2col(top_diff: Array, rows: Array, shape: tuple[int, ...], kernel: int, stride: int) -> Array:
    """Return the gradient of a bottom of `shape`: columns that hold the gradient in the row of the largest, col2im."""
    images, positions = rows.shape
    columns = np.zeros((images, kernel * kernel, positions), top_diff.dtype)
    np.put_along_axis(columns, rows[:, np.newaxis], top_diff.reshape(images, 1, positions), axis=1)
    return _image(columns, shape, kernel, stride)


def average_pool_im2col(bottom: Array, kernel: int, stride: int) -> Array:
    """Return the top: the mean of each column."""
    means: Array = _columns(bottom, kernel, stride).mean(1)
    return means.reshape(pooled_shape(bottom.shape, kernel, stride))


def average_pool_backward_im2col(top_diff: Array, shape: tuple[int, ...], kernel: int, stride: int) -> Array:
    """Return the gradient of a bottom of `shape`: each column has its share in all rows, col2im."""
    images = shape[0] * shape[1]
    share = top_diff.reshape(images, 1, -1) / (kernel * kernel)
    return _image(share.repeat(kernel * kernel, axis=1), shape, kernel, stride)


def _columns(bottom: Array, kernel: int, stride: int) -> Array:
    """Return (N C, kernel^2, H' W'): each channel of each sample has columns of its own."""
    images = bottom.reshape(-1, *bottom.shape[2:])
    return im2col(images, (kernel, kernel), stride).reshape(len(images), kernel * kernel, -1)


def _image(columns: Array, shape: tuple[int, ...], kernel: int, stride: int) -> Array:
    images = shape[0] * shape[1]
    flat = columns.reshape(images * kernel * kernel, -1)
    return col2im(flat, (images, shape[2], shape[3]), (kernel, kernel), stride).reshape(shape)
