"""A vector along the middle axis of (outer, S, inner): combined with x, and its gradient. float32 and float64.

A combination is an empty NamedTuple with up to three small rules; the loops exist once and are compiled for each that
is used. Arrays are C-contiguous. A run of `inner` elements that meet the same element of the vector is called a plane;
where inner is 1, whole rows meet the whole vector. Results go to a buffer first, since outputs may be inputs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from caffelite.core.kernels.ir.math import select
from caffelite.core.kernels.ir.sums import sum_values
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.neuron_functions import zero_of
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]
Rule = Callable[..., Any]

BLOCK = 4096  # elements of a buffer, and of a sum in the arrays' own type; longer sums are float64
COLUMNS = 512  # of rows that are summed up together


class Multiply(NamedTuple):
    """x * w."""


class MultiplyAdd(NamedTuple):
    """x * w + b."""


class Add(NamedTuple):
    """x + w."""


class Normalize(NamedTuple):
    """(x - b) * w."""


class Rectify(NamedTuple):
    """x where it is positive, x * w elsewhere."""


# (x, w, b) -> y; (x, dy, w) -> dx; (x, dy) -> what is added to the gradient of w.
_VALUES: dict[type, Rule] = {
    Multiply: lambda rule, x, w, b: x * w,
    MultiplyAdd: lambda rule, x, w, b: x * w + b,
    Add: lambda rule, x, w, b: x + w,
    Normalize: lambda rule, x, w, b: (x - b) * w,
    Rectify: lambda rule, x, w, b: select(x > 0, x, x * w),
}
_GRADIENTS: dict[type, Rule] = {
    Multiply: lambda rule, x, dy, w: dy * w,
    Rectify: lambda rule, x, dy, w: select(x > 0, dy, dy * w),
}
_TERMS: dict[type, Rule] = {
    Multiply: lambda rule, x, dy: dy * x,
    Rectify: lambda rule, x, dy: dy * select(x > 0, zero_of(x), x),
}


def _value(rule: Any, x: Any, w: Any, b: Any) -> Any:
    return _VALUES[type(rule)](rule, x, w, b)


def _gradient(rule: Any, x: Any, dy: Any, w: Any) -> Any:
    return _GRADIENTS[type(rule)](rule, x, dy, w)


def _term(rule: Any, x: Any, dy: Any) -> Any:
    return _TERMS[type(rule)](rule, x, dy)


@overload(_value, strict=False)
def _compiled_value(rule: Any, x: Any, w: Any, b: Any) -> Any:
    return _VALUES[rule.instance_class]


@overload(_gradient, strict=False)
def _compiled_gradient(rule: Any, x: Any, dy: Any, w: Any) -> Any:
    return _GRADIENTS[rule.instance_class]


@overload(_term, strict=False)
def _compiled_term(rule: Any, x: Any, dy: Any) -> Any:
    return _TERMS[rule.instance_class]


def forward(rule: Any, bottom: Array, w: Array, b: Array, kept: Array, top: Array) -> None:
    """Fill top, which may be bottom, by `rule`; if `kept` is not bottom, copy bottom there first.

    bottom, kept and top are (outer, S, inner); w and b have S elements, b being any such array if the rule has no b.
    """
    form(_forward, 2 * bottom.size)(rule, bottom, w.reshape(-1), b.reshape(-1), kept, top, _pieces(w.size))


def backward(
    rule: Any,
    bottom: Array,
    w: Array,
    top_diff: Array,
    w_diff: Array | None,
    b_diff: Array | None,
    bottom_diff: Array | None,
) -> None:
    """Add the gradient of w to w_diff and the sums of top_diff to b_diff; overwrite bottom_diff.

    Each of the three may be None: it is not wanted. bottom_diff may be top_diff. Shapes are as in `forward`. The rule
    is Multiply or Rectify; b_diff does not depend on it.
    """
    pieces = _pieces(w.size)
    w_sums, b_sums = _sums(w_diff, pieces, w), _sums(b_diff, pieces, w)
    wanted = _Wanted(w_diff is not None, b_diff is not None, bottom_diff is not None)
    target = top_diff if bottom_diff is None else bottom_diff
    form(_backward, 2 * bottom.size)(rule, bottom, w.reshape(-1), top_diff, w_sums, b_sums, target, wanted)
    if pieces > 1:
        for diff, sums in ((w_diff, w_sums), (b_diff, b_sums)):
            if diff is not None:
                diff += sums.sum(axis=0).reshape(diff.shape)


def _sums(diff: Array | None, pieces: int, w: Array) -> Array:
    """Return where workers add: `diff` itself if each has its own part of S, else one row for each of them."""
    if diff is None:
        return np.empty((pieces, 0), w.dtype)
    return diff.reshape(1, -1) if pieces == 1 else np.zeros((pieces, w.size), w.dtype)


def _pieces(size: int) -> int:
    """Return into how many pieces to cut the positions (outer x inner): 1 where S is large enough to be shared out."""
    workers = int(thread_count())
    return 1 if size >= 4 * workers else workers


@kernel
def _share(size: int, positions: int, pieces: int, worker: int, workers: int) -> Any:
    """Return what is this worker's: first and last + 1 of S, then of the positions."""
    if pieces == 1:
        begin, end = share_of(size, worker, workers)
        return begin, end, np.uintp(0), np.uintp(positions)
    begin, end = share_of(positions, worker, workers)
    return np.uintp(0), np.uintp(size), begin, end


@parallel_kernel
def _forward(
    rule: Any, bottom: Array, w: Array, b: Array, kept: Array, top: Array, pieces: int, worker: int, workers: int
) -> None:
    positions = bottom.shape[0] * bottom.shape[2]
    share = _share(w.size, positions, pieces, worker, workers)
    if bottom.shape[2] == 1:
        _forward_rows(rule, bottom, w, b, kept, top, share)
    else:
        _forward_planes(rule, bottom, w, b, kept, top, share)


@kernel
def _forward_planes(rule: Any, bottom: Array, w: Array, b: Array, kept: Array, top: Array, share: Any) -> None:
    begin, end, first, last = share
    size, inner = np.uintp(bottom.shape[1]), np.uintp(bottom.shape[2])
    x, copy, y = bottom.reshape(bottom.size), kept.reshape(kept.size), top.reshape(top.size)
    buffer, keep = np.empty(BLOCK, x.dtype), kept.ctypes.data != bottom.ctypes.data
    while first < last:
        count = _run(first, last, inner)
        at = (first // inner * size + begin) * inner + first % inner
        for s in range(begin, end):
            weight, shift = w[s], b[s]
            for i in range(count):
                buffer[i] = _value(rule, x[at + i], weight, shift)
            if keep:
                for i in range(count):
                    copy[at + i] = x[at + i]
            for i in range(count):
                y[at + i] = buffer[i]
            at += inner
        first += count


@kernel
def _run(first: int, last: int, inner: int) -> Any:
    """Return how many of the positions first .. last - 1 lie in one plane, BLOCK at most."""
    return min(min(inner - first % inner, last - first), np.uintp(BLOCK))


@kernel
def _forward_rows(rule: Any, bottom: Array, w: Array, b: Array, kept: Array, top: Array, share: Any) -> None:
    begin, end, first, last = share
    size = np.uintp(bottom.shape[1])
    x, copy, y = bottom.reshape(bottom.size), kept.reshape(kept.size), top.reshape(top.size)
    buffer, keep = np.empty(BLOCK, x.dtype), kept.ctypes.data != bottom.ctypes.data
    for n in range(first, last):
        for s in range(begin, end, np.uintp(BLOCK)):
            at, count = n * size + s, min(np.uintp(BLOCK), end - s)
            for i in range(count):
                buffer[i] = _value(rule, x[at + i], w[s + i], b[s + i])
            if keep:
                for i in range(count):
                    copy[at + i] = x[at + i]
            for i in range(count):
                y[at + i] = buffer[i]


class _Wanted(NamedTuple):
    """Which gradients `backward` makes."""

    w: bool
    b: bool
    bottom: bool


@parallel_kernel
def _backward(
    rule: Any,
    bottom: Array,
    w: Array,
    top_diff: Array,
    w_sums: Array,
    b_sums: Array,
    bottom_diff: Array,
    wanted: Any,
    worker: int,
    workers: int,
) -> None:
    positions, pieces = bottom.shape[0] * bottom.shape[2], w_sums.shape[0]
    share = _share(w.size, positions, pieces, worker, workers)
    sums = w_sums[worker % pieces], b_sums[worker % pieces]
    if bottom.shape[2] == 1:
        _backward_rows(rule, bottom, w, top_diff, sums, bottom_diff, wanted, share)
    else:
        _backward_planes(rule, bottom, w, top_diff, sums, bottom_diff, wanted, share)


@kernel
def _backward_planes(
    rule: Any, bottom: Array, w: Array, top_diff: Array, sums: Any, bottom_diff: Array, wanted: Any, share: Any
) -> None:
    begin, end, first, last = share
    size, inner = np.uintp(bottom.shape[1]), np.uintp(bottom.shape[2])
    x, dy, dx = bottom.reshape(bottom.size), top_diff.reshape(bottom.size), bottom_diff.reshape(bottom.size)
    buffer, totals = np.empty(BLOCK, x.dtype), np.zeros((2, end - begin))
    while first < last:
        count = _run(first, last, inner)
        at = (first // inner * size + begin) * inner + first % inner
        for s in range(begin, end):
            if wanted.w:
                for i in range(count):
                    buffer[i] = _term(rule, x[at + i], dy[at + i])
                totals[0, s - begin] += sum_values(buffer, 0, count)
            if wanted.b:
                totals[1, s - begin] += sum_values(dy, at, count)
            if wanted.bottom:
                weight = w[s]
                for i in range(count):
                    buffer[i] = _gradient(rule, x[at + i], dy[at + i], weight)
                for i in range(count):
                    dx[at + i] = buffer[i]
            at += inner
        first += count
    _add_totals(totals, begin, end - begin, sums, wanted)


@kernel
def _backward_rows(
    rule: Any, bottom: Array, w: Array, top_diff: Array, sums: Any, bottom_diff: Array, wanted: Any, share: Any
) -> None:
    begin, end, first, last = share
    size = np.uintp(bottom.shape[1])
    x, dy, dx = bottom.reshape(bottom.size), top_diff.reshape(bottom.size), bottom_diff.reshape(bottom.size)
    buffer, totals = np.empty(COLUMNS, x.dtype), np.empty((2, COLUMNS))
    for s in range(begin, end, np.uintp(COLUMNS)):
        count = min(np.uintp(COLUMNS), end - s)
        if first + np.uintp(1) == last:
            _add_row(rule, x, dy, first * size + s, count, sums[0], sums[1], s, wanted)
        elif wanted.w or wanted.b:
            totals[:] = 0
            for n in range(first, last):
                _add_row(rule, x, dy, n * size + s, count, totals[0], totals[1], np.uintp(0), wanted)
            _add_totals(totals, s, count, sums, wanted)
        if wanted.bottom:
            for n in range(first, last):
                at = n * size + s
                for i in range(count):
                    buffer[i] = _gradient(rule, x[at + i], dy[at + i], w[s + i])
                for i in range(count):
                    dx[at + i] = buffer[i]


@kernel
def _add_row(
    rule: Any, x: Array, dy: Array, at: int, count: int, w_total: Array, b_total: Array, to: int, wanted: Any
) -> None:
    if wanted.w:
        for i in range(count):
            w_total[to + i] += _term(rule, x[at + i], dy[at + i])
    if wanted.b:
        for i in range(count):
            b_total[to + i] += dy[at + i]


@kernel
def _add_totals(totals: Array, at: int, count: int, sums: Any, wanted: Any) -> None:
    """Add the sums of `count` elements of S, from `at` on, to where they are wanted."""
    w_sums, b_sums = sums
    if wanted.w:
        for i in range(count):
            w_sums[at + i] += totals[0, i]
    if wanted.b:
        for i in range(count):
            b_sums[at + i] += totals[1, i]
