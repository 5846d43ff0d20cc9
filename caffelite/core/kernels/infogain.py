"""Loss of probabilities weighted by a matrix of classes: H[label, l] * log(p[l]). float32 and float64."""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.math import log, select
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]

SMALLEST = float(np.float32(1e-20))  # smaller probabilities count as this
POSITIONS = 512  # of the inner axis that are worked on together


def infogain_forward(prob: Array, labels: Array, matrix: Array) -> float:
    """Return -sum(H[label, l] * log(max(p[l], 1e-20))) over classes and positions.

    prob is (outer, C, inner); labels are outer * inner integers, one of -1 means that its position does not count;
    matrix is (C, C), a row for each true label.
    """
    results = np.zeros(thread_count())
    form(_forward, 4 * prob.size)(prob, labels, matrix, results)
    return float(results.sum())


def infogain_backward(prob: Array, labels: Array, matrix: Array, scale: float, bottom_diff: Array) -> None:
    """Overwrite bottom_diff with (p[l] * sum(H[label]) - H[label, l]) * scale, 0 where a position does not count."""
    sums = matrix.sum(axis=1)
    form(_backward, prob.size)(prob, labels, matrix, sums, prob.dtype.type(scale), bottom_diff)


@parallel_kernel
def _forward(prob: Array, labels: Array, matrix: Array, results: Array, worker: int, workers: int) -> None:
    for share in range(worker, results.size, workers):
        begin, end = share_of(labels.size, share, results.size)
        results[share] = _forward_part(prob, labels, matrix, begin, end)


@kernel
def _forward_part(prob: Array, labels: Array, matrix: Array, begin: int, end: int) -> float:
    """Neighbouring positions of one item are worked on together, so that reads follow the memory."""
    channels, inner = np.uintp(prob.shape[1]), np.uintp(prob.shape[2])
    values, lowest, total = prob.reshape(prob.size), prob.dtype.type(SMALLEST), 0.0
    terms = np.empty(POSITIONS, prob.dtype)
    at = np.uintp(begin)
    while at < end:
        count = min(np.uintp(POSITIONS), end - at, inner - at % inner)
        first = at // inner * channels * inner + at % inner
        for c in range(channels):
            line = first + c * inner
            for i in range(count):
                p = values[line + i]
                terms[i] = select(p < lowest, lowest, p)
            for i in range(count):
                terms[i] = log(terms[i])
            for i in range(count):
                if labels[at + i] >= 0:
                    total -= matrix[labels[at + i], c] * terms[i]
        at += count
    return total


@parallel_kernel
def _backward(
    prob: Array, labels: Array, matrix: Array, sums: Array, scale: float, bottom_diff: Array, worker: int, workers: int
) -> None:
    begin, end = share_of(labels.size, worker, workers)
    _backward_part(prob, labels, matrix, sums, scale, bottom_diff, begin, end)


@kernel
def _backward_part(
    prob: Array, labels: Array, matrix: Array, sums: Array, scale: float, bottom_diff: Array, begin: int, end: int
) -> None:
    channels, inner = np.uintp(prob.shape[1]), np.uintp(prob.shape[2])
    values, diff = prob.reshape(prob.size), bottom_diff.reshape(prob.size)
    at = np.uintp(begin)
    while at < end:
        count = min(np.uintp(POSITIONS), end - at, inner - at % inner)
        first = at // inner * channels * inner + at % inner
        for c in range(channels):
            line = first + c * inner
            for i in range(count):
                label = labels[at + i]
                if label >= 0:
                    diff[line + i] = (values[line + i] * sums[label] - matrix[label, c]) * scale
                else:
                    diff[line + i] = 0
        at += count
