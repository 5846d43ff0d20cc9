"""Convolution written plainly, in numpy: as it is defined, and by im2col. What faster code is compared with.

Shapes: bottom (N, C, H, W), weight (M, C, kernel_h, kernel_w), bias (M), top (N, M, H', W') with
H' = (H + 2 pad - kernel_h) // stride + 1. One group, no dilation. What Caffe and everybody in this field calls
convolution is cross-correlation: the kernel is not turned. Nothing here is fast.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array


class Gradients(NamedTuple):
    """What a backward pass gives; `bias` and `weight` are sums over the batch."""

    weight: Array
    bias: Array
    bottom: Array


def padded(images: Array, pad: int) -> Array:
    """Return the images (..., H, W) with `pad` zeros on each side of the last two axes."""
    return np.pad(images, [(0, 0)] * (images.ndim - 2) + [(pad, pad)] * 2)


def turned(weight: Array) -> Array:
    """Return kernels turned by 180 degrees: both of the last two axes backwards."""
    return weight[..., ::-1, ::-1]


def with_zeros_between(images: Array, stride: int) -> Array:
    """Return the images with stride - 1 zeros between neighbours, in both of the last two axes."""
    height, width = images.shape[-2:]
    spread = np.zeros((*images.shape[:-2], (height - 1) * stride + 1, (width - 1) * stride + 1), images.dtype)
    spread[..., ::stride, ::stride] = images
    return spread


def top_size(size: int, kernel: int, stride: int, pad: int) -> int:
    """Return how many windows fit into `size` pixels."""
    return (size + 2 * pad - kernel) // stride + 1


def convolve(bottom: Array, weight: Array, bias: Array | None = None, stride: int = 1, pad: int = 0) -> Array:
    """Return the top by the definition: at each position, the sum of one window times the kernel."""
    images = padded(bottom, pad)
    kernel_h, kernel_w = weight.shape[2:]
    height = top_size(bottom.shape[2], kernel_h, stride, pad)
    width = top_size(bottom.shape[3], kernel_w, stride, pad)
    top = np.empty((len(bottom), len(weight), height, width), bottom.dtype)
    for n, m, y, x in np.ndindex(top.shape):
        window = images[n, :, y * stride : y * stride + kernel_h, x * stride : x * stride + kernel_w]
        top[n, m, y, x] = (window * weight[m]).sum()
    return top if bias is None else top + bias[:, np.newaxis, np.newaxis]


def gradients_by_definition(bottom: Array, weight: Array, top_diff: Array, stride: int = 1, pad: int = 0) -> Gradients:
    """Return the gradients as convolutions of `top_diff`.

    With zeros put between its values for the stride, and around them, it is cross-correlated with the turned kernel
    for the bottom; the bottom is cross-correlated with it for the weights.
    """
    kernel_h, kernel_w = weight.shape[2:]
    images = padded(bottom, pad)
    spread = with_zeros_between(top_diff, stride)
    weight_diff = np.zeros_like(weight)
    for m, c, y, x in np.ndindex(weight.shape):
        window = images[:, c, y : y + spread.shape[2], x : x + spread.shape[3]]
        weight_diff[m, c, y, x] = (window * spread[:, m]).sum()
    # what the last window does not reach, where the stride leaves pixels over, gets zeros
    rest = [images.shape[axis] - kernel - spread.shape[axis] + 1 for axis, kernel in ((2, kernel_h), (3, kernel_w))]
    around = np.pad(
        spread,
        [(0, 0), (0, 0), (kernel_h - 1, kernel_h - 1 + rest[0]), (kernel_w - 1, kernel_w - 1 + rest[1])],
    )
    whole = convolve(around, turned(weight).transpose(1, 0, 2, 3))
    inner = whole[:, :, pad : pad + bottom.shape[2], pad : pad + bottom.shape[3]]
    return Gradients(weight_diff, top_diff.sum((0, 2, 3)), inner)


def im2col(image: Array, kernel: tuple[int, int], stride: int = 1, pad: int = 0) -> Array:
    """Return the columns (C kernel_h kernel_w, H' W') of an image (C, H, W): each holds the pixels of one window."""
    channels, height, width = image.shape
    wide = padded(image, pad)
    height, width = (top_size(*size, stride, pad) for size in zip((height, width), kernel, strict=True))
    columns = np.empty((channels, *kernel, height, width), image.dtype)
    for i, j in np.ndindex(kernel):
        columns[:, i, j] = wide[:, i : i + stride * height : stride, j : j + stride * width : stride]
    return columns.reshape(-1, height * width)


def col2im(
    columns: Array, shape: tuple[int, int, int], kernel: tuple[int, int], stride: int = 1, pad: int = 0
) -> Array:
    """Return an image of `shape` (C, H, W) in which each pixel is the sum of its copies in the columns."""
    channels, height, width = shape
    wide = np.zeros((channels, height + 2 * pad, width + 2 * pad), columns.dtype)
    height, width = (top_size(*size, stride, pad) for size in zip((height, width), kernel, strict=True))
    windows = columns.reshape(channels, *kernel, height, width)
    for i, j in np.ndindex(kernel):
        wide[:, i : i + stride * height : stride, j : j + stride * width : stride] += windows[:, i, j]
    return wide[:, pad : pad + shape[1], pad : pad + shape[2]]


def convolve_im2col(bottom: Array, weight: Array, bias: Array | None = None, stride: int = 1, pad: int = 0) -> Array:
    """Return the top as Caffe computes it: for each sample the weights, a row a filter, times the columns."""
    kernel_h, kernel_w = weight.shape[2:]
    height = top_size(bottom.shape[2], kernel_h, stride, pad)
    width = top_size(bottom.shape[3], kernel_w, stride, pad)
    rows = weight.reshape(len(weight), -1)
    top = np.stack([rows @ im2col(image, (kernel_h, kernel_w), stride, pad) for image in bottom])
    if bias is not None:
        top += bias[:, np.newaxis]
    return top.reshape(len(bottom), len(weight), height, width)


def gradients_im2col(bottom: Array, weight: Array, top_diff: Array, stride: int = 1, pad: int = 0) -> Gradients:
    """Return the gradients as Caffe computes them: two products of matrices a sample, then col2im."""
    kernel = (weight.shape[2], weight.shape[3])
    rows = weight.reshape(len(weight), -1)
    weight_diff = np.zeros_like(rows)
    bottom_diff = np.empty_like(bottom)
    for n, image in enumerate(bottom):
        diff = top_diff[n].reshape(len(weight), -1)
        weight_diff += diff @ im2col(image, kernel, stride, pad).T
        bottom_diff[n] = col2im(rows.T @ diff, image.shape, kernel, stride, pad)
    return Gradients(weight_diff.reshape(weight.shape), top_diff.sum((0, 2, 3)), bottom_diff)
