"""ReLU and its gradient. float32 and float64; top may be bottom.

Arrays are C-contiguous and of one size; their shapes do not matter. Where output and input are one array, the compiler
sees a dependence and gives up vector code: so ReLU, which mostly works in place, has a loop of its own for that. It
does too little work to go through a buffer as the other functions of one number do.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.math import select
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]


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


@parallel_kernel
def _relu_forward(bottom: Array, slope: float, top: Array, worker: int, workers: int) -> None:
    _relu_part(bottom, slope, top, worker, workers)


@kernel
def _relu_part(bottom: Array, slope: float, top: Array, worker: int, workers: int) -> None:
    begin, end = share_of(bottom.size, worker, workers)
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
    begin, end = share_of(bottom.size, worker, workers)
    if top_diff.ctypes.data == bottom_diff.ctypes.data:
        for i in range(begin, end):
            bottom_diff[i] = select(bottom[i] > zero, bottom_diff[i], slope * bottom_diff[i])
    else:
        for i in range(begin, end):
            bottom_diff[i] = select(bottom[i] > zero, top_diff[i], slope * top_diff[i])
