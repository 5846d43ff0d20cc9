"""Bias gradient of a convolution: sums over samples and pixels."""

from typing import Any

import numpy as np

from caffelite.core.kernels.jit.compile import SUMS, kernel, parallel_kernel

SMALL = 30_000  # elements below which starting threads costs more than it gives


@kernel(fastmath=SUMS)
def line_sum(line: np.ndarray) -> Any:
    """Sum of a line, in its own precision."""
    total = line.dtype.type(0)
    for value in line:
        total += value
    return total


@parallel_kernel
def add_bias_gradient(top_diff: np.ndarray, bias_diff: np.ndarray, worker: int, workers: int) -> None:
    """Add to bias_diff (O,) the sums of top_diff (N, O, P) over N and P; over samples in double precision."""
    outputs = top_diff.shape[1]
    for m in range(outputs * worker // workers, outputs * (worker + 1) // workers):
        total = np.float64(0)
        for n in range(top_diff.shape[0]):
            total += line_sum(top_diff[n, m])
        bias_diff[m] += total


def bias_gradient(top_diff: np.ndarray, bias_diff: np.ndarray) -> None:
    """Add to bias_diff (O,) the sums of top_diff (N, O, ...) over all other axes; float32 or float64."""
    run = add_bias_gradient.serial if top_diff.size < SMALL else add_bias_gradient
    run(top_diff.reshape(*top_diff.shape[:2], -1), bias_diff)
