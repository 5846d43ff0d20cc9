"""Pooling: one pixel, or the mean, of each window."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.kernels.pooling_windows import LOWEST
from caffelite.core.layers.pixel_mean_pooling import PixelMeanPoolingLayer
from caffelite.core.layers.pooling import AvePoolingLayer, MaxPoolingLayer
from caffelite.core.layers.stochastic_pooling import StochasticPoolingLayer
from caffelite.inspection.why.terms import BOTTOM, At, Terms, constant, gradient_of, made_of, read, sent, value_of
from caffelite.proto import caffe_pb2


@value_of(MaxPoolingLayer)
def _largest(at: At, top: int, place: int) -> list[Terms]:
    plane = place // prod(at.top_shape(0)[2:])
    found = int(at.layer.argmax.reshape(-1)[place])
    if top == 1:
        return [constant(found, "where in the plane the largest value is")]
    if found < 0:
        return [constant(LOWEST, "a window without pixels")]
    return [read(at, 0, plane * prod(at.bottom_shape(0)[2:]) + found, text="the largest of the window")]


@gradient_of(MaxPoolingLayer)
def _largest_back(at: At, bottom: int, place: int) -> list[Terms]:
    return [sent(at, 0, _windows_that_chose(at, at.layer.argmax, place), text="this pixel was the largest")]


def _windows_that_chose(at: At, chosen: Array, place: int) -> Array:
    """Return the flat places of the windows of which one pixel was taken."""
    plane, pixel = divmod(place, prod(at.bottom_shape(0)[2:]))
    windows = prod(at.top_shape(0)[2:])
    return plane * windows + np.flatnonzero(chosen.reshape(-1, windows)[plane] == pixel)


@value_of(AvePoolingLayer)
def _mean(at: At, top: int, place: int) -> list[Terms]:
    pixels, area = _window(at, place)
    return [read(at, 0, pixels, 1 / area if area else 0.0, "1 / area")]


@gradient_of(AvePoolingLayer)
def _mean_back(at: At, bottom: int, place: int) -> list[Terms]:
    windows = _windows_over(at, place)
    return [sent(at, 0, windows, [1 / _window(at, int(window))[1] for window in windows], "1 / area")]


@value_of(PixelMeanPoolingLayer)
def _pixel_mean(at: At, top: int, place: int) -> list[Terms]:
    pixels, _ = _window(at, place)
    return [read(at, 0, pixels, 1 / pixels.size if pixels.size else 0.0, "1 / pixels")]


@gradient_of(PixelMeanPoolingLayer)
def _pixel_mean_back(at: At, bottom: int, place: int) -> list[Terms]:
    windows = _windows_over(at, place)
    return [sent(at, 0, windows, [1 / _window(at, int(window))[0].size for window in windows], "1 / pixels")]


@value_of(StochasticPoolingLayer)
def _drawn(at: At, top: int, place: int) -> list[Terms]:
    if at.layer.phase == caffe_pb2.TRAIN:
        plane, found = place // prod(at.top_shape(0)[2:]), int(at.layer.drawn.reshape(-1)[place])
        if found < 0:
            return [constant(0.0, "a window without pixels")]
        return [read(at, 0, plane * prod(at.bottom_shape(0)[2:]) + found, text="the drawn pixel of the window")]
    pixels, _ = _window(at, place)
    values = at.bottom(0, pixels)
    total = values.sum()
    shares = values / total if total else np.zeros_like(values)
    return [made_of(shares * values, BOTTOM, 0, pixels, values, "probability x value")]


@gradient_of(StochasticPoolingLayer)
def _drawn_back(at: At, bottom: int, place: int) -> list[Terms]:
    if at.layer.phase == caffe_pb2.TRAIN:
        return [sent(at, 0, _windows_that_chose(at, at.layer.drawn, place), text="this pixel was drawn")]
    windows, slopes = _windows_over(at, place), []
    x = float(at.bottom(0, np.array([place]))[0])
    for window in windows:
        values = at.bottom(0, _window(at, int(window))[0])
        total = values.sum()
        slopes.append((2 * x * total - (values**2).sum()) / total**2 if total else 0.0)
    return [sent(at, 0, windows, slopes, "slope of sum(x^2) / sum(x)")]


def _window(at: At, place: int) -> tuple[Array, int]:
    """Return the flat places of a window's pixels, and its area, of which padding is a part."""
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = at.layer.window
    _, _, height, width = at.bottom_shape(0)
    plane, inner = divmod(place, prod(at.top_shape(0)[2:]))
    row, column = divmod(inner, at.top_shape(0)[3])
    sides = []
    area = 1
    for step, stride, pad, kernel, size in (
        (row, stride_h, pad_h, kernel_h, height),
        (column, stride_w, pad_w, kernel_w, width),
    ):
        begin = step * stride - pad
        end = min(begin + kernel, size + pad)
        area *= max(end - begin, 0)
        sides.append(np.arange(max(begin, 0), min(end, size)))
    pixels = plane * height * width + sides[0][:, None] * width + sides[1]
    return pixels.reshape(-1), area


def _windows_over(at: At, place: int) -> Array:
    """Return the flat places of the windows that a pixel lies in."""
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = at.layer.window
    _, _, height, width = at.bottom_shape(0)
    plane, pixel = divmod(place, height * width)
    row, column = divmod(pixel, width)
    rows, columns = (
        np.array([p for p in range(count) if p * stride - pad <= at_pixel < p * stride - pad + kernel], np.int64)
        for at_pixel, stride, pad, kernel, count in (
            (row, stride_h, pad_h, kernel_h, at.top_shape(0)[2]),
            (column, stride_w, pad_w, kernel_w, at.top_shape(0)[3]),
        )
    )
    windows = plane * prod(at.top_shape(0)[2:]) + rows[:, None] * at.top_shape(0)[3] + columns
    return windows.reshape(-1)
