"""Pooling: one number per window, and back. float32 and float64; blobs (N, C, H, W), C-contiguous."""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.ir.math import select
from caffelite.core.kernels.ir.pointers import pointer
from caffelite.core.kernels.ir.sums import sum_values
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.pooling_windows import LOWEST, WINDOWS, fetch, max_windows, mean_windows
from caffelite.core.kernels.sharing import form, share_of, signed_share_of

Array = np.ndarray[Any, np.dtype[Any]]

AHEAD = 1024  # pixels between the ones worked on and the ones fetched


class Window(NamedTuple):
    """Where the windows lie, in pixels; window (p, q) begins at (p * stride_h - pad_h, q * stride_w - pad_w)."""

    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int


def max_pool_forward(bottom: Array, window: Window, top: Array, argmax: Array) -> None:
    """Fill top and argmax (int32), both (N, C, PH, PW), from bottom.

    argmax is h * W + w inside one plane, or -1 where a window holds no pixel above -FLT_MAX; top is -FLT_MAX there.
    """
    form(_max_pool_forward, 3 * bottom.size)(bottom, window, top, argmax)


def max_pool_backward(top_diff: Array, argmax: Array, bottom_diff: Array) -> None:
    """Overwrite bottom_diff: each value of top_diff goes to the pixel that argmax names, none where it is -1."""
    form(_max_pool_backward, 3 * bottom_diff.size)(top_diff, argmax, bottom_diff)


def ave_pool_forward(bottom: Array, window: Window, top: Array) -> None:
    """Fill top with the sum of each window over its area; padding counts as area, what lies beyond it does not."""
    form(_ave_pool_forward, 3 * bottom.size)(bottom, window, top)


def ave_pool_backward(top_diff: Array, window: Window, bottom_diff: Array) -> None:
    """Overwrite bottom_diff: each pixel gets, from every window it lies in, top_diff over the window's area."""
    form(_ave_pool_backward, 3 * bottom_diff.size)(top_diff, window, bottom_diff)


@parallel_kernel
def _max_pool_forward(bottom: Array, window: Window, top: Array, argmax: Array, worker: int, workers: int) -> None:
    planes = bottom.shape[0] * bottom.shape[1]
    # planes share no cell, so threads cannot collide
    begin, end = signed_share_of(planes, worker, workers)
    if window.kernel_w >= WINDOWS and top.shape[3] < WINDOWS // 2:
        _max_pool_large_windows(bottom, window, top, argmax, begin, end)
    else:
        _max_pool_planes(bottom, window, top, argmax, begin, end)


@kernel
def _max_pool_planes(bottom: Array, window: Window, top: Array, argmax: Array, begin: int, end: int) -> None:
    height, width = bottom.shape[2], bottom.shape[3]
    for plane in range(begin, end):
        for ph in range(top.shape[2]):
            first_h = ph * window.stride_h - window.pad_h
            h_start, h_end = max(first_h, 0), min(first_h + window.kernel_h, height)
            rows, number = np.int32(max(h_end - h_start, 0)), np.int32(h_start * width)
            line = pointer(bottom, (plane * height + min(h_start, height)) * width)
            fetch(pointer(bottom, (plane * height + h_end) * width + AHEAD), np.int32(window.stride_h * width))
            for pw in range(0, top.shape[3], WINDOWS):
                at = (plane * top.shape[2] + ph) * top.shape[3] + pw
                first, count = np.int32(pw * window.stride_w - window.pad_w), np.int32(min(WINDOWS, top.shape[3] - pw))
                best, place = pointer(top, at), pointer(argmax, at)
                sizes = np.int32(window.stride_w), np.int32(width), np.int32(window.kernel_w)
                if window.stride_w == 1:
                    max_windows(1, sizes[0], line, rows, sizes[1], sizes[2], first, number, best, place, count)
                elif window.stride_w == 2:
                    max_windows(2, sizes[0], line, rows, sizes[1], sizes[2], first, number, best, place, count)
                else:
                    max_windows(0, sizes[0], line, rows, sizes[1], sizes[2], first, number, best, place, count)


@kernel
def _max_pool_large_windows(bottom: Array, window: Window, top: Array, argmax: Array, begin: int, end: int) -> None:
    """Do windows one after the other: too few stand side by side in a row to be done together, and each is wide."""
    height, width = bottom.shape[2], bottom.shape[3]
    planes = bottom.reshape(-1, height, width)
    for plane in range(begin, end):
        for ph in range(top.shape[2]):
            first_h = ph * window.stride_h - window.pad_h
            h_start, h_end = max(first_h, 0), min(first_h + window.kernel_h, height)
            for pw in range(top.shape[3]):
                first_w = pw * window.stride_w - window.pad_w
                w_start, w_end = max(first_w, 0), min(first_w + window.kernel_w, width)
                best, row = bottom.dtype.type(LOWEST), -1
                for h in range(h_start, h_end):
                    largest = _largest(planes[plane, h, w_start:w_end])
                    if largest > best:  # not >=: of equal values the first row wins
                        best, row = largest, h
                at = (plane * top.shape[2] + ph) * top.shape[3] + pw
                top.reshape(-1)[at] = best
                place = -1
                if row >= 0:
                    place = row * width + w_start + _first(planes[plane, row, w_start:w_end], best)
                argmax.reshape(-1)[at] = place


@kernel
def _largest(values: Array) -> float:
    """Return the largest value, LOWEST of none; four at a time, since each comparison waits for the one before."""
    a = b = c = d = values.dtype.type(LOWEST)
    fours = values.size // 4 * 4
    for i in range(0, fours, 4):
        a = select(values[i] > a, values[i], a)
        b = select(values[i + 1] > b, values[i + 1], b)
        c = select(values[i + 2] > c, values[i + 2], c)
        d = select(values[i + 3] > d, values[i + 3], d)
    for i in range(fours, values.size):
        a = select(values[i] > a, values[i], a)
    a, c = select(b > a, b, a), select(d > c, d, c)
    largest: float = select(c > a, c, a)
    return largest


@kernel
def _first(values: Array, wanted: float) -> int:
    """Return the place of the first value that equals `wanted`, which is there."""
    place = 0
    while values[place] != wanted:
        place += 1
    return place


@parallel_kernel
def _max_pool_backward(top_diff: Array, argmax: Array, bottom_diff: Array, worker: int, workers: int) -> None:
    planes = bottom_diff.shape[0] * bottom_diff.shape[1]
    begin, end = share_of(planes, worker, workers)
    _scatter_planes(top_diff, argmax, bottom_diff, begin, end)


@kernel
def _scatter_planes(top_diff: Array, argmax: Array, bottom_diff: Array, begin: int, end: int) -> None:
    pixels = np.uintp(bottom_diff.shape[2] * bottom_diff.shape[3])
    windows = np.uintp(top_diff.shape[2] * top_diff.shape[3])
    diff = bottom_diff.reshape(bottom_diff.size)
    values, places = top_diff.reshape(top_diff.size), argmax.reshape(argmax.size)
    for plane in range(np.uintp(begin), np.uintp(end)):
        base, at = plane * pixels, plane * windows
        for i in range(pixels):
            diff[base + i] = 0
        for i in range(windows):
            place = places[at + i]
            if place >= 0:
                diff[base + np.uintp(place)] += values[at + i]


@parallel_kernel
def _ave_pool_forward(bottom: Array, window: Window, top: Array, worker: int, workers: int) -> None:
    planes = bottom.shape[0] * bottom.shape[1]
    begin, end = signed_share_of(planes, worker, workers)
    if _is_global(window, bottom.shape[2], bottom.shape[3], top.shape[2] * top.shape[3]):
        _mean_planes(bottom, top, begin, end)
    else:
        _ave_pool_planes(bottom, window, top, begin, end)


@kernel
def _is_global(window: Window, height: int, width: int, windows: int) -> bool:
    """Tell whether the one window is the whole plane."""
    return (
        windows == 1
        and window.pad_h == 0
        and window.pad_w == 0
        and window.kernel_h == height
        and window.kernel_w == width
    )


@kernel
def _mean_planes(bottom: Array, top: Array, begin: int, end: int) -> None:
    """Fill top with the mean of each plane, as one contiguous sum."""
    pixels = np.uintp(bottom.shape[2] * bottom.shape[3])
    values, means = bottom.reshape(bottom.size), top.reshape(top.size)
    for plane in range(np.uintp(begin), np.uintp(end)):
        means[plane] = sum_values(values, plane * pixels, pixels) / values.dtype.type(pixels)


@kernel
def _ave_pool_planes(bottom: Array, window: Window, top: Array, begin: int, end: int) -> None:
    height, width = bottom.shape[2], bottom.shape[3]
    limit_h, limit_w = height + window.pad_h, np.int32(width + window.pad_w)
    sizes = np.int32(window.stride_w), np.int32(width), np.int32(window.kernel_w)
    for plane in range(begin, end):
        for ph in range(top.shape[2]):
            first_h = ph * window.stride_h - window.pad_h
            h_start, h_end = max(first_h, 0), min(first_h + window.kernel_h, height)
            rows = np.int32(max(h_end - h_start, 0))
            area_h = np.int32(max(min(first_h + window.kernel_h, limit_h) - first_h, 0))
            line = pointer(bottom, (plane * height + min(h_start, height)) * width)
            fetch(pointer(bottom, (plane * height + h_end) * width + AHEAD), np.int32(window.stride_h * width))
            for pw in range(0, top.shape[3], WINDOWS):
                mean = pointer(top, (plane * top.shape[2] + ph) * top.shape[3] + pw)
                first, count = np.int32(pw * window.stride_w - window.pad_w), np.int32(min(WINDOWS, top.shape[3] - pw))
                if window.stride_w == 1:
                    mean_windows(1, sizes[0], line, rows, sizes[1], sizes[2], first, area_h, limit_w, mean, count)
                elif window.stride_w == 2:
                    mean_windows(2, sizes[0], line, rows, sizes[1], sizes[2], first, area_h, limit_w, mean, count)
                else:
                    mean_windows(0, sizes[0], line, rows, sizes[1], sizes[2], first, area_h, limit_w, mean, count)


@parallel_kernel
def _ave_pool_backward(top_diff: Array, window: Window, bottom_diff: Array, worker: int, workers: int) -> None:
    planes = bottom_diff.shape[0] * bottom_diff.shape[1]
    begin, end = signed_share_of(planes, worker, workers)
    if _is_global(window, bottom_diff.shape[2], bottom_diff.shape[3], top_diff.shape[2] * top_diff.shape[3]):
        _spread_means(top_diff, bottom_diff, begin, end)
    else:
        _spread_planes(top_diff, window, bottom_diff, begin, end)


@kernel
def _spread_means(top_diff: Array, bottom_diff: Array, begin: int, end: int) -> None:
    pixels = np.uintp(bottom_diff.shape[2] * bottom_diff.shape[3])
    diff, values = bottom_diff.reshape(bottom_diff.size), top_diff.reshape(top_diff.size)
    for plane in range(np.uintp(begin), np.uintp(end)):
        share = values[plane] / values.dtype.type(pixels)
        for i in range(pixels):
            diff[plane * pixels + i] = share


@kernel
def _spread_planes(top_diff: Array, window: Window, bottom_diff: Array, begin: int, end: int) -> None:
    """One row of windows at a time is spread over a line, and the line added to the rows of pixels it covers."""
    height, width = bottom_diff.shape[2], bottom_diff.shape[3]
    pooled_h, pooled_w = top_diff.shape[2], top_diff.shape[3]
    line = np.empty(width, bottom_diff.dtype)
    diff, values = bottom_diff.reshape(bottom_diff.size), top_diff.reshape(top_diff.size)
    for plane in range(begin, end):
        for i in range(np.uintp(plane * height * width), np.uintp((plane + 1) * height * width)):
            diff[i] = 0
        for ph in range(pooled_h):
            first_h = ph * window.stride_h - window.pad_h
            area_h = min(first_h + window.kernel_h, height + window.pad_h) - first_h
            h_start, h_end = max(first_h, 0), min(first_h + window.kernel_h, height)
            if h_start >= h_end:
                continue
            _spread_row(values, (plane * pooled_h + ph) * pooled_w, pooled_w, window, area_h, line)
            for h in range(h_start, h_end):
                at = np.uintp((plane * height + h) * width)
                for w in range(np.uintp(width)):
                    diff[at + w] += line[w]


@kernel
def _spread_row(values: Array, at: int, count: int, window: Window, area_h: int, line: Array) -> None:
    """Fill line[w] with the sum of value / area over the windows of one row that hold column w."""
    width = line.size
    line[:] = 0
    for pw in range(count):
        first = pw * window.stride_w - window.pad_w
        area = area_h * (min(first + window.kernel_w, width + window.pad_w) - first)
        begin, end = max(first, 0), min(first + window.kernel_w, width)
        if begin < end:
            share = values[at + pw] / values.dtype.type(area)
            for w in range(np.uintp(begin), np.uintp(end)):
                line[w] += share
