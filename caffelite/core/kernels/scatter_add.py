"""Rows of one matrix added to chosen rows of another. float32 and float64."""

from typing import Any

import numpy as np

from caffelite.core.kernels.jit.compile import parallel_kernel
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]


def add_rows(source: Array, index: Array, target: Array) -> None:
    """Add row i of source, (K, M), to row index[i] of target, (N, M); several may go to one row."""
    form(_add_rows, source.size)(source, index, target)


@parallel_kernel
def _add_rows(source: Array, index: Array, target: Array, worker: int, workers: int) -> None:
    # each has columns of its own, so threads cannot collide
    begin, end = share_of(source.shape[1], worker, workers)
    for i in range(source.shape[0]):
        row = index[i]
        for column in range(begin, end):
            target[row, column] += source[i, column]
