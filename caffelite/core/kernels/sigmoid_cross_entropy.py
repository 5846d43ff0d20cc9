"""Cross-entropy of targets and the sigmoid of logits, element by element. float32 and float64."""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.math import exp, log, select, sigmoid
from caffelite.core.kernels.ir.sums import sum_values
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]

BLOCK = 512  # elements that are worked on together, and whose terms are added in the arrays' own type


def ignored_range(ignore_label: int | None, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the least and the largest number that becomes `ignore_label` when its fraction is cut off.

    For None nothing lies between the two.
    """
    number = dtype.type
    if ignore_label is None:
        return number(np.inf), number(-np.inf)
    low, high = number(ignore_label), number(ignore_label)
    if ignore_label <= 0:
        low = np.nextafter(number(ignore_label - 1), number(np.inf))
    if ignore_label >= 0:
        high = np.nextafter(number(ignore_label + 1), number(-np.inf))
    return low, high


def loss_forward(bottom: Array, target: Array, ignore_label: int | None) -> tuple[float, int]:
    """Add up max(x, 0) - x t + log(1 + exp(-|x|)); return the sum and how many elements are not ignored.

    Ignored are those whose target, its fraction cut off, is `ignore_label`.
    """
    results = np.zeros((thread_count(), 2))
    low, high = ignored_range(ignore_label, bottom.dtype)
    form(_forward, 8 * bottom.size)(bottom.reshape(-1), target.reshape(-1), low, high, results)
    total, valid = results.sum(axis=0)
    return float(total), int(valid)


def loss_backward(bottom: Array, target: Array, ignore_label: int | None, scale: float, bottom_diff: Array) -> None:
    """Overwrite bottom_diff with (sigmoid(x) - t) * scale, 0 where ignored."""
    number = bottom.dtype.type
    low, high = ignored_range(ignore_label, bottom.dtype)
    form(_backward, 4 * bottom.size)(
        bottom.reshape(-1), target.reshape(-1), low, high, number(scale), bottom_diff.reshape(-1)
    )


@parallel_kernel
def _forward(bottom: Array, target: Array, low: float, high: float, results: Array, worker: int, workers: int) -> None:
    shares = results.shape[0]
    for share in range(worker, shares, workers):
        begin, end = share_of(bottom.size, share, shares)
        _forward_part(bottom, target, low, high, begin, end, results[share])


@kernel
def _forward_part(bottom: Array, target: Array, low: float, high: float, begin: int, end: int, result: Array) -> None:
    zero, one = bottom.dtype.type(0), bottom.dtype.type(1)
    terms = np.empty(BLOCK, bottom.dtype)
    for at in range(begin, end, np.uintp(BLOCK)):
        count = min(np.uintp(BLOCK), end - at)
        valid = 0
        for i in range(count):
            terms[i] = one + exp(-abs(bottom[at + i]))
        for i in range(count):
            terms[i] = log(terms[i])
        for i in range(count):
            x, t = bottom[at + i], target[at + i]
            ignored = (t >= low) & (t <= high)
            terms[i] = select(ignored, zero, x * (select(x < zero, zero, one) - t) + terms[i])
            valid += select(ignored, 0, 1)
        result[0] += sum_values(terms, 0, count)
        result[1] += valid


@parallel_kernel
def _backward(
    bottom: Array, target: Array, low: float, high: float, scale: float, bottom_diff: Array, worker: int, workers: int
) -> None:
    zero = bottom.dtype.type(0)
    begin, end = share_of(bottom.size, worker, workers)
    for i in range(begin, end):
        t = target[i]
        ignored = (t >= low) & (t <= high)
        bottom_diff[i] = select(ignored, zero, (sigmoid(bottom[i]) - t) * scale)
