"""The slab: a worker's own copy of the part of an image that it works on, laid out so that no tap needs im2col.

For every channel and kernel column j there is one plane: the image's rows, zero padded, cut to out_width columns, of
which column w is image column w * stride_w + j * dilation_w - pad_w. Rows stand one after the other, so the pixels that
tap (channel, i, j) sees are one run of floats, `offsets[tap]` from the slab's start, whatever width, stride and
dilation are; a register tile may cross row ends and no lane is wasted. With stride_h > 1 rows are sorted by their
remainder modulo stride_h ("phase"), only those phases that some tap reads. im2col would copy each row kernel_h times
more.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.ir.pointers import add_strided_rows, copy_rows, own_code, shift
from caffelite.core.kernels.jit.compile import kernel


class Slab(NamedTuple):
    """Layout of a slab; all in floats, rows or columns."""

    height: int  # of the image
    width: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    dilation_w: int
    phases: int  # how many remainders of rows modulo stride_h are kept
    extra: int  # rows of a phase beyond the output rows
    capacity: int  # rows of a phase that there is memory for
    pitch: int  # floats from row to row: out_width
    plane: int  # floats from plane to plane
    whole: int  # 1: every slab has all output rows, so what is zero at first remains zero


class Layout(NamedTuple):
    """A slab, and pointers to what slab_offsets and slab_phases return for it."""

    slab: Slab
    offsets: Any
    phases: Any


def slab_layout(geometry: Geometry, rows: int) -> Slab:
    """Return the layout of a slab for `rows` output rows of the convolution."""
    phases, extra = _phases(geometry), _extra_rows(geometry)
    capacity, pitch = rows + extra, max(1, geometry.out_width)
    floats = len(phases) * capacity * pitch + 16  # vectors may overhang
    return Slab(
        geometry.height,
        geometry.width,
        geometry.kernel_w,
        geometry.stride_h,
        geometry.stride_w,
        geometry.pad_h,
        geometry.pad_w,
        geometry.dilation_w,
        len(phases),
        extra,
        capacity,
        pitch,
        odd_lines(floats),
        int(rows == geometry.out_height),
    )


def odd_lines(floats: int) -> int:
    """Round up to an odd number of cache lines: planes a power of two apart would fight over the same cache sets."""
    return (-(-floats // 16) | 1) * 16


def slab_phases(geometry: Geometry) -> np.ndarray:
    """Return the remainders modulo stride_h of the rows that some tap reads, int32."""
    return np.array(_phases(geometry), np.int32)


def slab_offsets(geometry: Geometry, slab: Slab, channels: int) -> np.ndarray:
    """Return where the run of each tap (channel, i, j) starts in a slab of `channels` channels, int32."""
    channel, i, j = np.indices((channels, geometry.kernel_h, geometry.kernel_w)).reshape(3, -1)
    down = i * geometry.dilation_h
    phase = np.searchsorted(_phases(geometry), down % geometry.stride_h)
    row = phase * slab.capacity + down // geometry.stride_h
    offsets: np.ndarray = ((channel * slab.kernel_w + j) * slab.plane + row * slab.pitch).astype(np.int32)
    return offsets


def padding_share(geometry: Geometry) -> float:
    """Return which share of the products of kernel rows with output rows has nothing but padding to multiply."""
    row = np.arange(geometry.out_height)[:, None] * geometry.stride_h
    row = row + np.arange(geometry.kernel_h) * geometry.dilation_h - geometry.pad_h
    return float(np.mean((row < 0) | (row >= geometry.height))) if row.size else 0.0


def _phases(geometry: Geometry) -> list[int]:
    return sorted({i * geometry.dilation_h % geometry.stride_h for i in range(geometry.kernel_h)})


def _extra_rows(geometry: Geometry) -> int:
    return (geometry.kernel_h - 1) * geometry.dilation_h // geometry.stride_h


@kernel
def fill_slab(image: Any, channels: int, row0: int, rows: int, slab: Slab, phases: Any, target: Any) -> None:
    """Fill the slab of `rows` output rows from row0 on of consecutive channels; image, phases, target are pointers.

    The target must be zero before it is used for the first time.
    Each plane ends with 16 zeros: reading a vector too far gives what no earlier image left there.
    """
    own_code()
    for phase in range(slab.phases):
        start = row0 * slab.stride_h + phases[phase] - slab.pad_h
        above, below = valid_range(start, slab.stride_h, slab.height, rows + slab.extra)
        for j in range(slab.kernel_w):
            column = j * slab.dilation_w - slab.pad_w
            first, last = valid_range(column, slab.stride_w, slab.width, slab.pitch)
            for c in range(channels):
                plane = shift(target, (c * slab.kernel_w + j) * slab.plane + phase * slab.capacity * slab.pitch)
                if not slab.whole:
                    clear(plane, above * slab.pitch)
                    clear(shift(plane, below * slab.pitch), (rows + slab.extra - below) * slab.pitch)
                    if phase == slab.phases - 1:
                        clear(shift(plane, (rows + slab.extra) * slab.pitch), 16)
                if below > above:
                    line = start + above * slab.stride_h
                    source = shift(image, (c * slab.height + line) * slab.width + column)
                    take_rows(source, shift(plane, above * slab.pitch), first, last, below - above, slab)


@kernel
def valid_range(start: int, step: int, size: int, count: int) -> tuple[int, int]:
    """Return the range of i in [0, count) for which start + i * step is in [0, size)."""
    first = min(count, max(0, -(start // step)))
    return first, max(first, min(count, (size - 1 - start) // step + 1))


@kernel
def take_rows(source: Any, target: Any, first: int, last: int, rows: int, slab: Slab) -> None:
    """target[r, i] = source[r, i * stride_w] for first <= i < last, else 0, i < pitch; r < rows."""
    own_code()
    stride, pitch = slab.stride_h * slab.width, slab.pitch
    if slab.stride_w == 1:
        copy_rows(1, source, stride, target, pitch, first, last, pitch, rows)
    elif slab.stride_w == 2:
        copy_rows(2, source, stride, target, pitch, first, last, pitch, rows)
    elif slab.stride_w == 4:
        copy_rows(4, source, stride, target, pitch, first, last, pitch, rows)
    else:
        clear(target, rows * pitch)
        for r in range(rows):
            for i in range(first, last):
                target[r * pitch + i] = source[r * stride + i * slab.stride_w]


@kernel
def fold_slab(source: Any, channels: int, slab: Slab, phases: Any, image: Any) -> None:
    """Do the adjoint of filling with all rows: a pixel of the image becomes the sum of its copies in the slab."""
    own_code()
    clear(image, channels * slab.height * slab.width)
    for phase in range(slab.phases):
        start = phases[phase] - slab.pad_h
        above, below = valid_range(start, slab.stride_h, slab.height, slab.capacity)
        for j in range(slab.kernel_w):
            column = j * slab.dilation_w - slab.pad_w
            first, last = valid_range(column, slab.stride_w, slab.width, slab.pitch)
            for c in range(channels):
                plane = shift(source, (c * slab.kernel_w + j) * slab.plane)
                if below > above and last > first:
                    line = start + above * slab.stride_h
                    target = shift(image, (c * slab.height + line) * slab.width + column)
                    run = shift(plane, (phase * slab.capacity + above) * slab.pitch)
                    put_rows(run, target, first, last, below - above, slab)


@kernel
def put_rows(source: Any, target: Any, first: int, last: int, rows: int, slab: Slab) -> None:
    """target[r, i * stride_w] += source[r, i] for first <= i < last, r < rows."""
    own_code()
    stride, pitch = slab.stride_h * slab.width, slab.pitch
    if slab.stride_w == 1:
        add_strided_rows(1, source, pitch, target, stride, first, last, rows)
    elif slab.stride_w == 2:
        add_strided_rows(2, source, pitch, target, stride, first, last, rows)
    else:
        for r in range(rows):
            for i in range(first, last):
                target[r * stride + i * slab.stride_w] += source[r * pitch + i]


@kernel
def clear(target: Any, count: int) -> None:
    """target[:count] = 0; target is a pointer."""
    own_code()
    for i in range(count):
        target[i] = 0
