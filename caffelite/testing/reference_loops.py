"""Convolution as the loops that its formula is, forward and backward; shapes as in reference_convolution.py.

They use nothing but numbers and arrays, so that `numba.njit` compiles them as they stand. Padding is never made: what
lies outside the image is left out.
"""

from __future__ import annotations

from caffelite.core.blob import Array


def convolve_loops(bottom: Array, weight: Array, bias: Array, stride: int, pad: int, top: Array) -> None:
    """Fill `top` from the bottom."""
    num, filters, top_h, top_w = top.shape
    channels, height, width = bottom.shape[1:]
    kernel_h, kernel_w = weight.shape[2:]
    for n in range(num):
        for m in range(filters):
            for y in range(top_h):
                for x in range(top_w):
                    total = bias[m]
                    for c in range(channels):
                        for i in range(kernel_h):
                            row = y * stride - pad + i
                            if 0 <= row < height:
                                for j in range(kernel_w):
                                    column = x * stride - pad + j
                                    if 0 <= column < width:
                                        total += weight[m, c, i, j] * bottom[n, c, row, column]
                    top[n, m, y, x] = total


def gradients_loops(
    bottom: Array,
    weight: Array,
    top_diff: Array,
    stride: int,
    pad: int,
    weight_diff: Array,
    bias_diff: Array,
    bottom_diff: Array,
) -> None:
    """Fill the three gradients: each product of the forward pass adds to that of its weight and of its pixel."""
    num, filters, top_h, top_w = top_diff.shape
    channels, height, width = bottom.shape[1:]
    kernel_h, kernel_w = weight.shape[2:]
    weight_diff[...] = 0
    bias_diff[...] = 0
    bottom_diff[...] = 0
    for n in range(num):
        for m in range(filters):
            for y in range(top_h):
                for x in range(top_w):
                    diff = top_diff[n, m, y, x]
                    bias_diff[m] += diff
                    for c in range(channels):
                        for i in range(kernel_h):
                            row = y * stride - pad + i
                            if 0 <= row < height:
                                for j in range(kernel_w):
                                    column = x * stride - pad + j
                                    if 0 <= column < width:
                                        weight_diff[m, c, i, j] += diff * bottom[n, c, row, column]
                                        bottom_diff[n, c, row, column] += diff * weight[m, c, i, j]
