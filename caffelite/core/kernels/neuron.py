"""Functions of one element at a time, and their gradients. float32 and float64; top may be bottom.

Arrays are C-contiguous and of one size; their shapes do not matter. Where output and input are one array, the compiler
sees a dependence and gives up vector code: so ReLU, which mostly works in place, has a loop of its own for that, and
the results of the others go to a small buffer first.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels import vector_math
from caffelite.core.kernels._jit import kernel, parallel_kernel
from caffelite.core.kernels.elementwise import form, part
from caffelite.core.kernels.vector_math import select

Array = np.ndarray[Any, np.dtype[Any]]

BLOCK = 2048


def relu_forward(bottom: Array, negative_slope: float, top: Array) -> None:
    """Fill top with max(x, 0) + negative_slope * min(x, 0); NaN stays, and so -infinity times a slope of 0."""
    slope = bottom.dtype.type(negative_slope)
    form(_relu_forward, bottom.size)(bottom.reshape(-1), slope, top.reshape(-1))


def relu_backward(bottom: Array, negative_slope: float, top_diff: Array, bottom_diff: Array) -> None:
    """Fill bottom_diff with top_diff where bottom is positive, negative_slope times it elsewhere.

    bottom may be the top, if the slope is not negative; bottom_diff may be top_diff.
    """
    slope = bottom.dtype.type(negative_slope)
    form(_relu_backward, bottom.size)(bottom.reshape(-1), slope, top_diff.reshape(-1), bottom_diff.reshape(-1))


def sigmoid_forward(bottom: Array, top: Array) -> None:
    """Fill top with 0.5 * tanh(0.5 * x) + 0.5."""
    form(_sigmoid_forward, 4 * bottom.size)(bottom.reshape(-1), top.reshape(-1))


def sigmoid_backward(top: Array, top_diff: Array, bottom_diff: Array) -> None:
    """Fill bottom_diff, which may be top_diff, with top_diff * y * (1 - y)."""
    form(_sigmoid_backward, top.size)(top.reshape(-1), top_diff.reshape(-1), bottom_diff.reshape(-1))


def tanh_forward(bottom: Array, top: Array) -> None:
    """Fill top with tanh(x)."""
    form(_tanh_forward, 4 * bottom.size)(bottom.reshape(-1), top.reshape(-1))


def tanh_backward(top: Array, top_diff: Array, bottom_diff: Array) -> None:
    """Fill bottom_diff, which may be top_diff, with top_diff * (1 - y * y)."""
    form(_tanh_backward, top.size)(top.reshape(-1), top_diff.reshape(-1), bottom_diff.reshape(-1))


@parallel_kernel
def _relu_forward(bottom: Array, slope: float, top: Array, worker: int, workers: int) -> None:
    _relu_part(bottom, slope, top, worker, workers)


@kernel
def _relu_part(bottom: Array, slope: float, top: Array, worker: int, workers: int) -> None:
    begin, end = part(bottom.size, worker, workers)
    if bottom.ctypes.data == top.ctypes.data:
        for i in range(begin, end):
            top[i] = _relu(top[i], slope)
    else:
        for i in range(begin, end):
            top[i] = _relu(bottom[i], slope)


@kernel
def _relu(x: float, slope: float) -> Any:
    zero = slope - slope
    return select(x < zero, zero, x) + slope * select(x > zero, zero, x)


@parallel_kernel
def _relu_backward(bottom: Array, slope: float, top_diff: Array, bottom_diff: Array, worker: int, workers: int) -> None:
    _relu_diff_part(bottom, slope, top_diff, bottom_diff, worker, workers)


@kernel
def _relu_diff_part(
    bottom: Array, slope: float, top_diff: Array, bottom_diff: Array, worker: int, workers: int
) -> None:
    zero = bottom.dtype.type(0)
    begin, end = part(bottom.size, worker, workers)
    if top_diff.ctypes.data == bottom_diff.ctypes.data:
        for i in range(begin, end):
            bottom_diff[i] = select(bottom[i] > zero, bottom_diff[i], slope * bottom_diff[i])
    else:
        for i in range(begin, end):
            bottom_diff[i] = select(bottom[i] > zero, top_diff[i], slope * top_diff[i])


@parallel_kernel
def _sigmoid_forward(bottom: Array, top: Array, worker: int, workers: int) -> None:
    _sigmoid_part(bottom, top, worker, workers)


@kernel
def _sigmoid_part(bottom: Array, top: Array, worker: int, workers: int) -> None:
    buffer = np.empty(BLOCK, bottom.dtype)
    begin, end = part(bottom.size, worker, workers)
    for at in range(begin, end, np.uintp(BLOCK)):
        count = min(np.uintp(BLOCK), end - at)
        for i in range(count):
            buffer[i] = vector_math.sigmoid(bottom[at + i])
        copy_back(buffer, count, top, at)


@parallel_kernel
def _sigmoid_backward(top: Array, top_diff: Array, bottom_diff: Array, worker: int, workers: int) -> None:
    _sigmoid_diff_part(top, top_diff, bottom_diff, worker, workers)


@kernel
def _sigmoid_diff_part(top: Array, top_diff: Array, bottom_diff: Array, worker: int, workers: int) -> None:
    one, buffer = top.dtype.type(1), np.empty(BLOCK, top.dtype)
    begin, end = part(top.size, worker, workers)
    for at in range(begin, end, np.uintp(BLOCK)):
        count = min(np.uintp(BLOCK), end - at)
        for i in range(count):
            y = top[at + i]
            buffer[i] = top_diff[at + i] * y * (one - y)
        copy_back(buffer, count, bottom_diff, at)


@parallel_kernel
def _tanh_forward(bottom: Array, top: Array, worker: int, workers: int) -> None:
    _tanh_part(bottom, top, worker, workers)


@kernel
def _tanh_part(bottom: Array, top: Array, worker: int, workers: int) -> None:
    buffer = np.empty(BLOCK, bottom.dtype)
    begin, end = part(bottom.size, worker, workers)
    for at in range(begin, end, np.uintp(BLOCK)):
        count = min(np.uintp(BLOCK), end - at)
        for i in range(count):
            buffer[i] = vector_math.tanh(bottom[at + i])
        copy_back(buffer, count, top, at)


@parallel_kernel
def _tanh_backward(top: Array, top_diff: Array, bottom_diff: Array, worker: int, workers: int) -> None:
    _tanh_diff_part(top, top_diff, bottom_diff, worker, workers)


@kernel
def _tanh_diff_part(top: Array, top_diff: Array, bottom_diff: Array, worker: int, workers: int) -> None:
    one, buffer = top.dtype.type(1), np.empty(BLOCK, top.dtype)
    begin, end = part(top.size, worker, workers)
    for at in range(begin, end, np.uintp(BLOCK)):
        count = min(np.uintp(BLOCK), end - at)
        for i in range(count):
            y = top[at + i]
            buffer[i] = top_diff[at + i] * (one - y * y)
        copy_back(buffer, count, bottom_diff, at)


@kernel
def copy_back(buffer: Array, count: int, target: Array, at: int) -> None:
    """Copy the first `count` elements of buffer to target, from element `at` on."""
    for i in range(count):
        target[at + i] = buffer[i]
