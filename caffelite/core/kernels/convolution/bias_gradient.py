"""Bias gradient of a convolution: sums over samples and pixels."""

import numpy as np

from caffelite.core.kernels.ir.sums import sum_values
from caffelite.core.kernels.jit.compile import parallel_kernel
from caffelite.core.kernels.sharing import form, signed_share_of


@parallel_kernel
def add_bias_gradient(top_diff: np.ndarray, bias_diff: np.ndarray, worker: int, workers: int) -> None:
    """Add to bias_diff (O,) the sums of top_diff (N, O, P) over N and P; over samples in double precision."""
    outputs, pixels = top_diff.shape[1], top_diff.shape[2]
    first, last = signed_share_of(outputs, worker, workers)
    for m in range(first, last):
        total = np.float64(0)
        for n in range(top_diff.shape[0]):
            total += sum_values(top_diff, (n * outputs + m) * pixels, pixels)
        bias_diff[m] += total


def bias_gradient(top_diff: np.ndarray, bias_diff: np.ndarray) -> None:
    """Add to bias_diff (O,) the sums of top_diff (N, O, ...) over all other axes; float32 or float64."""
    form(add_bias_gradient, 3 * top_diff.size)(top_diff.reshape(*top_diff.shape[:2], -1), bias_diff)
