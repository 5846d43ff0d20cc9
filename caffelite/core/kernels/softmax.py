"""Softmax along the middle axis of (outer, C, inner), and the loss of its logarithm. float32 and float64."""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.math import exp, log, select
from caffelite.core.kernels.ir.sums import sum_products, sum_values
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]

SMALLEST = 1.1754943508222875e-38  # FLT_MIN, in float64 nets too: no term of a loss is above 87.33654
POSITIONS = 512  # of the inner axis that are worked on together
LANES = 16
NO_LABEL = -(2**31)  # no label: what "nothing is ignored" is written as


def softmax_forward(bottom: Array, top: Array) -> None:
    """Fill top with exp(x - max) / sum(exp(x - max)) along axis 1 of (outer, C, inner); top may be bottom."""
    form(_softmax_forward, 4 * bottom.size)(bottom, top)


def softmax_backward(top: Array, top_diff: Array, bottom_diff: Array) -> None:
    """Fill bottom_diff, which may be top_diff, with (dy - sum(dy * y)) * y, the sum along axis 1."""
    form(_softmax_backward, 2 * top.size)(top, top_diff, bottom_diff)


def softmax_loss_forward(prob: Array, label: Array, ignore_label: int | None) -> tuple[float, int, int]:
    """Sum -log(max(p, FLT_MIN)) over the probabilities of the labels.

    prob is (outer, C, inner), label has outer * inner numbers, truncated toward zero. Returns the sum, the number of
    labels that are not ignored, and the position of the first label outside 0 .. C - 1, or -1: then the sum is void.
    """
    ignored = NO_LABEL if ignore_label is None else ignore_label
    results = np.zeros((thread_count(), 3))
    form(_loss_forward, 8 * label.size)(prob, label.reshape(-1), ignored, results)
    total, valid, _ = results.sum(axis=0)
    return float(total), int(valid), int(results[:, 2].max()) - 1


def softmax_loss_backward(
    prob: Array, label: Array, ignore_label: int | None, scale: float, bottom_diff: Array
) -> None:
    """Fill bottom_diff with (p - 1 at the label, p elsewhere) * scale, 0 for all classes where the label is ignored."""
    ignored = NO_LABEL if ignore_label is None else ignore_label
    factor = prob.dtype.type(scale)
    form(_loss_backward, prob.size)(prob, label.reshape(-1), ignored, factor, bottom_diff)


@parallel_kernel
def _softmax_forward(bottom: Array, top: Array, worker: int, workers: int) -> None:
    outer, inner = bottom.shape[0], bottom.shape[2]
    pieces = (inner + POSITIONS - 1) // POSITIONS
    begin, end = share_of(outer * pieces, worker, workers)
    if inner == 1:
        _softmax_rows(bottom, top, begin, end)
    else:
        _softmax_columns(bottom, top, begin, end)


@kernel
def _softmax_rows(bottom: Array, top: Array, begin: int, end: int) -> None:
    """Rows lie one after the other, so that exp runs over all of them as one line, however short a row is."""
    channels = np.uintp(bottom.shape[1])
    values, out = bottom.reshape(bottom.size), top.reshape(top.size)
    lanes = np.empty(LANES, values.dtype)
    for row in range(np.uintp(begin), np.uintp(end)):
        at = row * channels
        largest = _largest(values, at, channels, lanes)
        for c in range(channels):
            out[at + c] = values[at + c] - largest
    for i in range(np.uintp(begin) * channels, np.uintp(end) * channels):
        out[i] = exp(out[i])
    for row in range(np.uintp(begin), np.uintp(end)):
        at = row * channels
        factor = values.dtype.type(1) / sum_values(out, at, channels)
        for c in range(channels):
            out[at + c] *= factor


@kernel
def _largest(values: Array, at: int, count: int, lanes: Array) -> Any:
    """Return the largest of values[at : at + count], in LANES running maxima so that it vectorises."""
    for lane in range(np.uintp(LANES)):
        lanes[lane] = values[at]
    whole = count // np.uintp(LANES) * np.uintp(LANES)
    for i in range(np.uintp(0), whole, np.uintp(LANES)):
        for lane in range(np.uintp(LANES)):
            value = values[at + i + lane]
            lanes[lane] = select(value > lanes[lane], value, lanes[lane])
    largest = lanes[0]
    for lane in range(np.uintp(1), np.uintp(LANES)):
        largest = select(lanes[lane] > largest, lanes[lane], largest)
    for i in range(whole, count):
        largest = select(values[at + i] > largest, values[at + i], largest)
    return largest


@kernel
def _softmax_columns(bottom: Array, top: Array, begin: int, end: int) -> None:
    """Neighbouring positions are worked on together, POSITIONS at a time."""
    channels, inner = np.uintp(bottom.shape[1]), np.uintp(bottom.shape[2])
    values, out = bottom.reshape(bottom.size), top.reshape(top.size)
    largest, total = np.empty(POSITIONS, values.dtype), np.empty(POSITIONS, values.dtype)
    pieces = (inner + np.uintp(POSITIONS - 1)) // np.uintp(POSITIONS)
    for piece in range(np.uintp(begin), np.uintp(end)):
        first = piece % pieces * np.uintp(POSITIONS)
        at, count = piece // pieces * channels * inner + first, min(np.uintp(POSITIONS), inner - first)
        for i in range(count):
            largest[i], total[i] = values[at + i], 0
        for c in range(np.uintp(1), channels):
            for i in range(count):
                value = values[at + c * inner + i]
                largest[i] = select(value > largest[i], value, largest[i])
        for c in range(channels):
            line = at + c * inner
            for i in range(count):
                out[line + i] = values[line + i] - largest[i]
            for i in range(count):
                out[line + i] = exp(out[line + i])
            for i in range(count):
                total[i] += out[line + i]
        for c in range(channels):
            line = at + c * inner
            for i in range(count):
                out[line + i] /= total[i]


@parallel_kernel
def _softmax_backward(top: Array, top_diff: Array, bottom_diff: Array, worker: int, workers: int) -> None:
    outer = top.shape[0]
    begin, end = share_of(outer, worker, workers)
    if top.shape[2] == 1:
        _diff_rows(top, top_diff, bottom_diff, begin, end)
    else:
        _diff_columns(top, top_diff, bottom_diff, begin, end)


@kernel
def _diff_rows(top: Array, top_diff: Array, bottom_diff: Array, begin: int, end: int) -> None:
    for n in range(np.uintp(begin), np.uintp(end)):
        total = sum_products(top_diff, top, n * np.uintp(top.shape[1]), np.uintp(top.shape[1]))
        for c in range(np.uintp(top.shape[1])):
            bottom_diff[n, c, 0] = (top_diff[n, c, 0] - total) * top[n, c, 0]


@kernel
def _diff_columns(top: Array, top_diff: Array, bottom_diff: Array, begin: int, end: int) -> None:
    total = np.empty(top.shape[2], top.dtype)
    for n in range(np.uintp(begin), np.uintp(end)):
        total[:] = 0
        for c in range(np.uintp(top.shape[1])):
            for i in range(np.uintp(top.shape[2])):
                total[i] += top_diff[n, c, i] * top[n, c, i]
        for c in range(np.uintp(top.shape[1])):
            for i in range(np.uintp(top.shape[2])):
                bottom_diff[n, c, i] = (top_diff[n, c, i] - total[i]) * top[n, c, i]


@parallel_kernel
def _loss_forward(prob: Array, label: Array, ignored: int, results: Array, worker: int, workers: int) -> None:
    shares = results.shape[0]
    for share in range(worker, shares, workers):
        begin, end = share_of(label.size, share, shares)
        _loss_part(prob, label, ignored, results[share], int(begin), int(end))


@kernel
def _loss_part(prob: Array, label: Array, ignored: int, result: Array, begin: int, end: int) -> None:
    """Fill result with the sum, the number of labels that count, and 1 + the position of a wrong label, else 0."""
    channels, inner = prob.shape[1], prob.shape[2]
    lowest, terms = prob.dtype.type(SMALLEST), np.empty(POSITIONS, prob.dtype)
    for at in range(begin, end, POSITIONS):
        count = min(POSITIONS, end - at)
        for i in range(count):
            terms[i] = 1  # whose logarithm is 0
            value = label[at + i]
            number = int(value) if abs(value) < -NO_LABEL else NO_LABEL + 1  # NaN and infinity are no label
            if number == ignored:
                continue
            if number < 0 or number >= channels:
                result[2] = at + i + 1
                return
            p = prob[(at + i) // inner, number, (at + i) % inner]
            terms[i] = select(p < lowest, lowest, p)
            result[1] += 1
        for i in range(np.uintp(count)):
            terms[i] = log(terms[i])
        result[0] -= sum_values(terms, 0, count)


@parallel_kernel
def _loss_backward(
    prob: Array, label: Array, ignored: int, factor: float, bottom_diff: Array, worker: int, workers: int
) -> None:
    begin, end = share_of(prob.shape[0], worker, workers)
    _loss_diff_part(prob, label, ignored, factor, bottom_diff, begin, end)


@kernel
def _loss_diff_part(
    prob: Array, label: Array, ignored: int, factor: float, bottom_diff: Array, begin: int, end: int
) -> None:
    channels, inner = np.uintp(prob.shape[1]), np.uintp(prob.shape[2])
    size = channels * inner
    values, diff = prob.reshape(prob.size), bottom_diff.reshape(prob.size)
    for i in range(np.uintp(begin) * size, np.uintp(end) * size):
        diff[i] = values[i] * factor
    for position in range(np.uintp(begin) * inner, np.uintp(end) * inner):
        number, at = int(label[position]), position // inner * size + position % inner
        if number == ignored:
            for c in range(channels):
                diff[at + c * inner] = 0
        elif 0 <= number < int(channels):  # forward refused others, but labels may have been overwritten since
            diff[at + np.uintp(number) * inner] -= factor
