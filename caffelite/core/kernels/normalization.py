"""Mean 0 and variance 1 for each group of elements, and its gradient. float32 and float64.

Arrays are (outer, groups, inner), C-contiguous; group g is [:, g, :]. Where inner is 1, neighbouring groups are worked
on together, else one after another, so that a group stays in the cache from its sums to its results. Sums are float32
within BLOCK elements and float64 across them. Results go to a buffer first, since outputs may be inputs.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.ir.sums import sum_centred, sum_centred_products, sum_centred_squares, sum_values
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]

BLOCK = 4096
GROUPS = 256  # that are worked on together where inner is 1


class Statistics(NamedTuple):
    """What `normalize` finds out, one value a group: mean, biased variance, and what x - mean was multiplied by."""

    mean: Array
    variance: Array
    factor: Array


class Divisor(NamedTuple):
    """What x - mean is divided by: sqrt(variance + inside) + outside, or 1 if not `scaled`."""

    inside: float
    outside: float
    scaled: bool


def normalize(bottom: Array, divisor: Divisor, kept: Array, top: Array, statistics: Statistics) -> None:
    """Fill the statistics, and top, which may be bottom; if `kept` is not bottom, copy bottom there first."""
    form(_normalize, 4 * bottom.size)(bottom, divisor, kept, top, statistics)


def normalize_backward(
    bottom: Array, statistics: Statistics, spread: Array, top_diff: Array, bottom_diff: Array
) -> None:
    """Fill bottom_diff, which may be top_diff, with (dy - mean(dy) - spread * mean(dy * y) * y) * factor.

    y is the top, computed again from the bottom; spread, one value a group, says how the factor follows the variance:
    1 for 1 / sqrt(variance + inside), 0 for a constant.
    """
    form(_backward, 4 * bottom.size)(bottom, statistics, spread, top_diff, bottom_diff)


@parallel_kernel
def _normalize(
    bottom: Array, divisor: Divisor, kept: Array, top: Array, statistics: Statistics, worker: int, workers: int
) -> None:
    begin, end = share_of(bottom.shape[1], worker, workers)
    if bottom.shape[2] == 1:
        _normalize_columns(bottom, divisor, kept, top, statistics, begin, end)
    else:
        _normalize_planes(bottom, divisor, kept, top, statistics, begin, end)


@kernel
def _factor(variance: float, divisor: Divisor) -> Any:
    if not divisor.scaled:
        return 1.0
    return 1 / (np.sqrt(variance + divisor.inside) + divisor.outside)


@kernel
def _sum(x: Array, at: int, count: int, centre: float, squared: bool) -> float:
    """Return the sum of x[at : at + count] - centre, or of the squares of these."""
    total = 0.0
    for start in range(at, at + count, np.uintp(BLOCK)):
        size = min(np.uintp(BLOCK), at + count - start)
        if squared:
            total += sum_centred_squares(x, start, size, centre)
        else:
            total += sum_centred(x, start, size, centre)
    return total


@kernel
def _normalize_planes(
    bottom: Array, divisor: Divisor, kept: Array, top: Array, statistics: Statistics, begin: int, end: int
) -> None:
    outer, groups, inner = np.uintp(bottom.shape[0]), np.uintp(bottom.shape[1]), np.uintp(bottom.shape[2])
    x, copy, y = bottom.reshape(bottom.size), kept.reshape(kept.size), top.reshape(top.size)
    number, buffer, keep = x.dtype.type, np.empty(BLOCK, x.dtype), kept.ctypes.data != bottom.ctypes.data
    for g in range(begin, end):
        total, squares = 0.0, 0.0
        for n in range(outer):
            total += _sum(x, (n * groups + g) * inner, inner, number(0), False)
        mean = number(total / (outer * inner))
        for n in range(outer):
            squares += _sum(x, (n * groups + g) * inner, inner, mean, True)
        variance = squares / (outer * inner)
        factor = number(_factor(variance, divisor))
        statistics.mean[g], statistics.variance[g], statistics.factor[g] = mean, variance, factor
        for n in range(outer):
            plane = (n * groups + g) * inner
            for at in range(plane, plane + inner, np.uintp(BLOCK)):
                count = min(np.uintp(BLOCK), plane + inner - at)
                for i in range(count):
                    buffer[i] = (x[at + i] - mean) * factor
                if keep:
                    for i in range(count):
                        copy[at + i] = x[at + i]
                for i in range(count):
                    y[at + i] = buffer[i]


@kernel
def _normalize_columns(
    bottom: Array, divisor: Divisor, kept: Array, top: Array, statistics: Statistics, begin: int, end: int
) -> None:
    outer, groups = np.uintp(bottom.shape[0]), np.uintp(bottom.shape[1])
    x, copy, y = bottom.reshape(bottom.size), kept.reshape(kept.size), top.reshape(top.size)
    totals, keep = np.empty((2, GROUPS)), kept.ctypes.data != bottom.ctypes.data
    mean, factor, buffer = np.empty(GROUPS, x.dtype), np.empty(GROUPS, x.dtype), np.empty(GROUPS, x.dtype)
    for g in range(begin, end, np.uintp(GROUPS)):
        count = min(np.uintp(GROUPS), end - g)
        totals[:] = 0
        for n in range(outer):
            for i in range(count):
                totals[0, i] += x[n * groups + g + i]
        for i in range(count):
            mean[i] = totals[0, i] / outer
        for n in range(outer):
            for i in range(count):
                centred = x[n * groups + g + i] - mean[i]
                totals[1, i] += centred * centred
        for i in range(count):
            factor[i] = _factor(totals[1, i] / outer, divisor)
            statistics.mean[g + i], statistics.variance[g + i] = mean[i], totals[1, i] / outer
            statistics.factor[g + i] = factor[i]
        for n in range(outer):
            at = n * groups + g
            for i in range(count):
                buffer[i] = (x[at + i] - mean[i]) * factor[i]
            if keep:
                for i in range(count):
                    copy[at + i] = x[at + i]
            for i in range(count):
                y[at + i] = buffer[i]


@parallel_kernel
def _backward(
    bottom: Array, statistics: Statistics, spread: Array, top_diff: Array, bottom_diff: Array, worker: int, workers: int
) -> None:
    begin, end = share_of(bottom.shape[1], worker, workers)
    if bottom.shape[2] == 1:
        _backward_columns(bottom, statistics, spread, top_diff, bottom_diff, begin, end)
    else:
        _backward_planes(bottom, statistics, spread, top_diff, bottom_diff, begin, end)


@kernel
def _sums(x: Array, dy: Array, at: int, count: int, mean: float) -> Any:
    """Return the sums of dy and of dy * (x - mean) over `count` elements from `at` on."""
    first, second = 0.0, 0.0
    for start in range(at, at + count, np.uintp(BLOCK)):
        size = min(np.uintp(BLOCK), at + count - start)
        first += sum_values(dy, start, size)
        second += sum_centred_products(x, dy, start, size, mean)
    return first, second


@kernel
def _backward_planes(
    bottom: Array, statistics: Statistics, spread: Array, top_diff: Array, bottom_diff: Array, begin: int, end: int
) -> None:
    outer, groups, inner = np.uintp(bottom.shape[0]), np.uintp(bottom.shape[1]), np.uintp(bottom.shape[2])
    x, dy, dx = bottom.reshape(bottom.size), top_diff.reshape(bottom.size), bottom_diff.reshape(bottom.size)
    number, buffer = x.dtype.type, np.empty(BLOCK, x.dtype)
    for g in range(begin, end):
        mean, factor, total, product = statistics.mean[g], statistics.factor[g], 0.0, 0.0
        for n in range(outer):
            sums = _sums(x, dy, (n * groups + g) * inner, inner, mean)
            total += sums[0]
            product += sums[1]
        offset = number(total / (outer * inner))
        slope = number(spread[g] * product * factor * factor / (outer * inner))
        for n in range(outer):
            plane = (n * groups + g) * inner
            for at in range(plane, plane + inner, np.uintp(BLOCK)):
                count = min(np.uintp(BLOCK), plane + inner - at)
                for i in range(count):
                    buffer[i] = (dy[at + i] - offset - (x[at + i] - mean) * slope) * factor
                for i in range(count):
                    dx[at + i] = buffer[i]


@kernel
def _backward_columns(
    bottom: Array, statistics: Statistics, spread: Array, top_diff: Array, bottom_diff: Array, begin: int, end: int
) -> None:
    outer, groups = np.uintp(bottom.shape[0]), np.uintp(bottom.shape[1])
    x, dy, dx = bottom.reshape(bottom.size), top_diff.reshape(bottom.size), bottom_diff.reshape(bottom.size)
    mean, factor, totals = statistics.mean, statistics.factor, np.empty((2, GROUPS))
    offset, slope, buffer = np.empty(GROUPS, x.dtype), np.empty(GROUPS, x.dtype), np.empty(GROUPS, x.dtype)
    for g in range(begin, end, np.uintp(GROUPS)):
        count = min(np.uintp(GROUPS), end - g)
        totals[:] = 0
        for n in range(outer):
            at = n * groups + g
            for i in range(count):
                totals[0, i] += dy[at + i]
                totals[1, i] += dy[at + i] * (x[at + i] - mean[g + i])
        for i in range(count):
            offset[i] = totals[0, i] / outer
            slope[i] = spread[g + i] * totals[1, i] * factor[g + i] * factor[g + i] / outer
        for n in range(outer):
            at = n * groups + g
            for i in range(count):
                buffer[i] = (dy[at + i] - offset[i] - (x[at + i] - mean[g + i]) * slope[i]) * factor[g + i]
            for i in range(count):
                dx[at + i] = buffer[i]
