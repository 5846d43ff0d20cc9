"""Stochastic pooling: a value of each window drawn in proportion to its size, or their mean weighted so.

float32 and float64; blobs (N, C, H, W), C-contiguous; windows without padding. Values are taken to be >= 0.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels.dropout import hash_bits
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.pooling import Window
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]
U32 = np.uint32


def draw_forward(bottom: Array, window: Window, low: Any, high: Any, top: Array, drawn: Array) -> None:
    """Fill top and drawn (int32), both (N, C, PH, PW): h * W + w of the value taken, -1 in a window without pixels.

    It is the first value at which the running sum reaches u * sum(x); low and high (uint32) and the window's number
    make u.
    """
    form(_draw, 4 * bottom.size)(bottom, window, low, high, top, drawn)


def mean_forward(bottom: Array, window: Window, top: Array) -> None:
    """Fill top with sum(x * x) / sum(x) of each window, 0 where the sum is not positive."""
    form(_mean, 4 * bottom.size)(bottom, window, top)


def mean_backward(bottom: Array, window: Window, top_diff: Array, bottom_diff: Array) -> None:
    """Overwrite bottom_diff with the gradient of mean_forward."""
    form(_mean_backward, 4 * bottom.size)(bottom, window, top_diff, bottom_diff)


@kernel
def _bounds(window: Window, ph: int, pw: int, height: int, width: int) -> Any:
    """Return the window's first row and last + 1, then its columns."""
    h, w = ph * window.stride_h, pw * window.stride_w
    return h, min(h + window.kernel_h, height), w, min(w + window.kernel_w, width)


@kernel
def _window_sums(plane: Array, bounds: Any) -> Any:
    """Return the sums of the values and of their squares, added in the order of rows."""
    total, squares = plane.dtype.type(0), plane.dtype.type(0)
    for h in range(bounds[0], bounds[1]):
        for w in range(bounds[2], bounds[3]):
            total += plane[h, w]
            squares += plane[h, w] * plane[h, w]
    return total, squares


@parallel_kernel
def _draw(
    bottom: Array, window: Window, low: int, high: int, top: Array, drawn: Array, worker: int, workers: int
) -> None:
    _draw_planes(bottom, window, low, high, top, drawn, worker, workers)


@kernel
def _draw_planes(
    bottom: Array, window: Window, low: int, high: int, top: Array, drawn: Array, worker: int, workers: int
) -> None:
    height, width = bottom.shape[2:]
    planes = bottom.reshape(bottom.shape[0] * bottom.shape[1], height, width)
    values, places = top.reshape(len(planes), *top.shape[2:]), drawn.reshape(len(planes), *top.shape[2:])
    begin, end = share_of(len(planes), worker, workers)
    for p in range(begin, end):
        for ph in range(top.shape[2]):
            for pw in range(top.shape[3]):
                bounds = _bounds(window, ph, pw, height, width)
                number = (p * np.uintp(top.shape[2]) + np.uintp(ph)) * np.uintp(top.shape[3]) + np.uintp(pw)
                u = (np.float64(hash_bits(U32(number), low, high)) + 0.5) / 2.0**32
                place = _reached(planes[p], bounds, planes.dtype.type(u))
                places[p, ph, pw] = place
                values[p, ph, pw] = planes[p, place // width, place % width] if place >= 0 else 0


@kernel
def _reached(plane: Array, bounds: Any, u: float) -> Any:
    """Return where the running sum reaches u * sum, the last pixel if it never does (NaN), -1 without pixels."""
    goal, total, place = u * _window_sums(plane, bounds)[0], plane.dtype.type(0), -1
    for h in range(bounds[0], bounds[1]):
        for w in range(bounds[2], bounds[3]):
            total += plane[h, w]
            place = h * plane.shape[1] + w
            if total >= goal:
                return place
    return place


@parallel_kernel
def _mean(bottom: Array, window: Window, top: Array, worker: int, workers: int) -> None:
    _mean_planes(bottom, window, top, worker, workers)


@kernel
def _mean_planes(bottom: Array, window: Window, top: Array, worker: int, workers: int) -> None:
    height, width = bottom.shape[2:]
    planes = bottom.reshape(bottom.shape[0] * bottom.shape[1], height, width)
    means = top.reshape(len(planes), *top.shape[2:])
    begin, end = share_of(len(planes), worker, workers)
    for p in range(begin, end):
        for ph in range(top.shape[2]):
            for pw in range(top.shape[3]):
                total, squares = _window_sums(planes[p], _bounds(window, ph, pw, height, width))
                means[p, ph, pw] = squares / total if total > 0 else 0


@parallel_kernel
def _mean_backward(
    bottom: Array, window: Window, top_diff: Array, bottom_diff: Array, worker: int, workers: int
) -> None:
    _mean_diff_planes(bottom, window, top_diff, bottom_diff, worker, workers)


@kernel
def _mean_diff_planes(
    bottom: Array, window: Window, top_diff: Array, bottom_diff: Array, worker: int, workers: int
) -> None:
    height, width = bottom.shape[2:]
    planes = bottom.reshape(bottom.shape[0] * bottom.shape[1], height, width)
    diffs, given = bottom_diff.reshape(planes.shape), top_diff.reshape(len(planes), *top_diff.shape[2:])
    begin, end = share_of(len(planes), worker, workers)
    for p in range(begin, end):
        diffs[p] = 0
        for ph in range(top_diff.shape[2]):
            for pw in range(top_diff.shape[3]):
                bounds = _bounds(window, ph, pw, height, width)
                total, squares = _window_sums(planes[p], bounds)
                if total > 0:
                    share = given[p, ph, pw] / total
                    for h in range(bounds[0], bounds[1]):
                        for w in range(bounds[2], bounds[3]):
                            diffs[p, h, w] += share * (2 * planes[p, h, w] - squares / total)
