"""Local response normalization, over channels or within each channel. float32 and float64.

Both forms keep scale = k + alpha / cells * (sum of squares of the region) of each element for the backward pass, and
compute scale ** -beta without `pow`, which would not vectorise. The gradient is made of bottom and scale alone, so
that a layer that works in place on the top does no harm.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.math import exp, log
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.sharing import form, signed_share_of

Array = np.ndarray[Any, np.dtype[Any]]

PIXELS = 512  # of all channels that are worked on together


def _half(local_size: int, extent: int) -> int:
    """Return the neighbours on either side; those outside count nothing, so at most all `extent` on an axis."""
    return min(local_size // 2, extent)


def across_forward(
    bottom: Array, local_size: int, alpha: float, beta: float, k: float, scale: Array, top: Array
) -> None:
    """Fill scale and top = bottom * scale ** -beta, all (N, C, pixels); the region is local_size channels."""
    number = bottom.dtype.type
    form(_across_forward, 4 * bottom.size)(
        bottom, _half(local_size, bottom.shape[1]), number(alpha / local_size), number(beta), number(k), scale, top
    )


def across_backward(
    bottom: Array, scale: Array, top_diff: Array, local_size: int, alpha: float, beta: float, bottom_diff: Array
) -> None:
    """Fill bottom_diff, which may be top_diff, all (N, C, pixels); scale as across_forward left it."""
    number = bottom.dtype.type
    factor, half = number(2 * alpha * beta / local_size), _half(local_size, bottom.shape[1])
    form(_across_backward, 4 * bottom.size)(bottom, scale, top_diff, half, factor, number(beta), bottom_diff)


def within_forward(bottom: Array, local_size: int, alpha: float, beta: float, scale: Array, top: Array) -> None:
    """Fill scale (k is 1) and top = bottom * scale ** -beta, all (N, C, H, W); the region is local_size squared."""
    number = bottom.dtype.type
    factor, half = number(alpha / local_size**2), _half(local_size, max(bottom.shape[2:]))
    form(_within_forward, 4 * bottom.size)(bottom, half, factor, number(beta), scale, top)


def within_backward(
    bottom: Array, scale: Array, top_diff: Array, local_size: int, alpha: float, beta: float, bottom_diff: Array
) -> None:
    """Fill bottom_diff, which may be top_diff, all (N, C, H, W); scale as within_forward left it."""
    number = bottom.dtype.type
    factor, half = number(2 * alpha * beta / local_size**2), _half(local_size, max(bottom.shape[2:]))
    form(_within_backward, 4 * bottom.size)(bottom, scale, top_diff, half, factor, number(beta), bottom_diff)


@kernel
def _powers(scale: Array, at: int, count: int, beta: float, out: Array) -> None:
    """Fill out[i] with scale[at + i] ** -beta, i < count."""
    if beta == 0.75:  # what every published net has: two square roots
        for i in range(count):
            root = np.sqrt(scale[at + i])
            out[i] = out.dtype.type(1) / (root * np.sqrt(root))
    else:
        for i in range(count):
            out[i] = exp(-beta * log(scale[at + i]))


@kernel
def _add_squares(values: Array, at: int, count: int, sign: float, total: Array) -> None:
    for i in range(count):
        total[i] += sign * values[at + i] * values[at + i]


@parallel_kernel
def _across_forward(
    bottom: Array, half: int, factor: float, beta: float, k: float, scale: Array, top: Array, worker: int, workers: int
) -> None:
    tasks = bottom.shape[0] * ((bottom.shape[2] + PIXELS - 1) // PIXELS)
    begin, end = signed_share_of(tasks, worker, workers)
    _across_part(bottom, half, factor, beta, k, scale, top, begin, end)


@kernel
def _across_part(
    bottom: Array, half: int, factor: float, beta: float, k: float, scale: Array, top: Array, begin: int, end: int
) -> None:
    """Slide a sum of squares over the channels: for each, one is added and one taken away, PIXELS at once."""
    channels, pixels = bottom.shape[1], bottom.shape[2]
    values, scales, out = bottom.reshape(bottom.size), scale.reshape(scale.size), top.reshape(top.size)
    number, pieces = values.dtype.type, (pixels + PIXELS - 1) // PIXELS
    total, power = np.empty(PIXELS, values.dtype), np.empty(PIXELS, values.dtype)
    for task in range(begin, end):
        first = task % pieces * PIXELS
        base, count = task // pieces * channels * pixels + first, np.uintp(min(PIXELS, pixels - first))
        total[:] = 0
        for c in range(-half, channels):
            if c + half < channels:
                _add_squares(values, np.uintp(base + (c + half) * pixels), count, number(1), total)
            if c - half - 1 >= 0:
                _add_squares(values, np.uintp(base + (c - half - 1) * pixels), count, number(-1), total)
            if c < 0:
                continue
            at = np.uintp(base + c * pixels)
            for i in range(count):
                scales[at + i] = k + factor * total[i]
            _powers(scales, at, count, beta, power)
            for i in range(count):
                out[at + i] = values[at + i] * power[i]


@parallel_kernel
def _across_backward(
    bottom: Array,
    scale: Array,
    top_diff: Array,
    half: int,
    factor: float,
    beta: float,
    bottom_diff: Array,
    worker: int,
    workers: int,
) -> None:
    tasks = bottom.shape[0] * ((bottom.shape[2] + PIXELS - 1) // PIXELS)
    begin, end = signed_share_of(tasks, worker, workers)
    _across_diff_part(bottom, scale, top_diff, half, factor, beta, bottom_diff, begin, end)


@kernel
def _across_diff_part(
    bottom: Array,
    scale: Array,
    top_diff: Array,
    half: int,
    factor: float,
    beta: float,
    bottom_diff: Array,
    begin: int,
    end: int,
) -> None:
    """Slide a sum of dy * y / scale over the channels; rings keep its terms and the powers of the window."""
    channels, pixels = bottom.shape[1], bottom.shape[2]
    values, scales = bottom.reshape(bottom.size), scale.reshape(scale.size)
    diffs, out = top_diff.reshape(top_diff.size), bottom_diff.reshape(bottom_diff.size)
    pieces, ring = (pixels + PIXELS - 1) // PIXELS, 2 * half + 2
    total = np.empty(PIXELS, values.dtype)
    terms, powers = np.empty((ring, PIXELS), values.dtype), np.empty((ring, PIXELS), values.dtype)
    for task in range(begin, end):
        first = task % pieces * PIXELS
        base, count = task // pieces * channels * pixels + first, np.uintp(min(PIXELS, pixels - first))
        total[:] = 0
        for c in range(-half, channels):
            if c + half < channels:
                at = np.uintp(base + (c + half) * pixels)
                term, power = terms[(c + half) % ring], powers[(c + half) % ring]
                _powers(scales, at, count, beta, power)
                for i in range(count):
                    term[i] = diffs[at + i] * values[at + i] * power[i] / scales[at + i]
                for i in range(count):
                    total[i] += term[i]
            if c - half - 1 >= 0:
                term = terms[(c - half - 1) % ring]
                for i in range(count):
                    total[i] -= term[i]
            if c >= 0:
                at, power = np.uintp(base + c * pixels), powers[c % ring]
                for i in range(count):
                    out[at + i] = diffs[at + i] * power[i] - factor * values[at + i] * total[i]


@kernel
def _box_sums(slab: Array, pitch: int, height: int, size: int, rows: Array, out: Array) -> None:
    """Fill out[h * pitch + w] with the sum of slab over the size x size cells from (h, w) on.

    The slab has height + size - 1 lines of `pitch`; all lines are added as one long one, and what runs over the end of
    a line lands in cells that nobody reads.
    """
    length = np.uintp((height + size - 1) * pitch - size + 1)
    for i in range(length):
        rows[i] = slab[i]
    for shift in range(np.uintp(1), np.uintp(size)):
        for i in range(length):
            rows[i] += slab[i + shift]
    length = np.uintp(height * pitch - size + 1)
    for i in range(length):
        out[i] = rows[i]
    for shift in range(np.uintp(pitch), np.uintp(size * pitch), np.uintp(pitch)):
        for i in range(length):
            out[i] += rows[i + shift]


@parallel_kernel
def _within_forward(
    bottom: Array, half: int, factor: float, beta: float, scale: Array, top: Array, worker: int, workers: int
) -> None:
    planes = bottom.shape[0] * bottom.shape[1]
    begin, end = signed_share_of(planes, worker, workers)
    _within_part(bottom, half, factor, beta, scale, top, begin, end)


@kernel
def _within_part(
    bottom: Array, half: int, factor: float, beta: float, scale: Array, top: Array, begin: int, end: int
) -> None:
    height, width = bottom.shape[2], bottom.shape[3]
    values, scales, out = bottom.reshape(bottom.size), scale.reshape(scale.size), top.reshape(top.size)
    pitch, area = width + 2 * half, np.uintp(height * width)
    slab, rows, sums = _slabs(values, height, half, pitch)
    power = np.empty(height * width, values.dtype)
    for plane in range(begin, end):
        base = np.uintp(plane) * area
        for h in range(height):
            at, to = base + np.uintp(h * width), np.uintp((h + half) * pitch + half)
            for w in range(np.uintp(width)):
                slab[to + w] = values[at + w] * values[at + w]
        _box_sums(slab, pitch, height, 2 * half + 1, rows, sums)
        for h in range(height):
            at, to = base + np.uintp(h * width), np.uintp(h * pitch)
            for w in range(np.uintp(width)):
                scales[at + w] = values.dtype.type(1) + factor * sums[to + w]
        _powers(scales, base, area, beta, power)
        for i in range(area):
            out[base + i] = values[base + i] * power[i]


@kernel
def _slabs(values: Array, height: int, half: int, pitch: int) -> Any:
    """Return a padded plane of zeros and two planes of scratch for _box_sums."""
    size = (height + 2 * half) * pitch
    return np.zeros(size, values.dtype), np.empty(size, values.dtype), np.empty(size, values.dtype)


@parallel_kernel
def _within_backward(
    bottom: Array,
    scale: Array,
    top_diff: Array,
    half: int,
    factor: float,
    beta: float,
    bottom_diff: Array,
    worker: int,
    workers: int,
) -> None:
    planes = bottom.shape[0] * bottom.shape[1]
    begin, end = signed_share_of(planes, worker, workers)
    _within_diff_part(bottom, scale, top_diff, half, factor, beta, bottom_diff, begin, end)


@kernel
def _within_diff_part(
    bottom: Array,
    scale: Array,
    top_diff: Array,
    half: int,
    factor: float,
    beta: float,
    bottom_diff: Array,
    begin: int,
    end: int,
) -> None:
    height, width = bottom.shape[2], bottom.shape[3]
    values, scales = bottom.reshape(bottom.size), scale.reshape(scale.size)
    diffs, out = top_diff.reshape(top_diff.size), bottom_diff.reshape(bottom_diff.size)
    pitch, area = width + 2 * half, np.uintp(height * width)
    slab, rows, sums = _slabs(values, height, half, pitch)
    power = np.empty(height * width, values.dtype)
    for plane in range(begin, end):
        base = np.uintp(plane) * area
        _powers(scales, base, area, beta, power)
        for h in range(height):
            line, to = np.uintp(h * width), np.uintp((h + half) * pitch + half)
            at = base + line
            for w in range(np.uintp(width)):
                slab[to + w] = diffs[at + w] * values[at + w] * power[line + w] / scales[at + w]
        _box_sums(slab, pitch, height, 2 * half + 1, rows, sums)
        for h in range(height):
            line, to = np.uintp(h * width), np.uintp(h * pitch)
            at = base + line
            for w in range(np.uintp(width)):
                out[at + w] = diffs[at + w] * power[line + w] - factor * values[at + w] * sums[to + w]
