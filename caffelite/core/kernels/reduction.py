"""Sums along the rows of a matrix: of the values, of their sizes, of their squares. float32 and float64."""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.sums import sum_sizes, sum_squares, sum_values
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]

PLAIN, SIZES, SQUARES = 0, 1, 2  # what is added up: x, |x|, x * x
CHUNK = 4096  # numbers that are added in the rows' own type; chunks are added in float64


def row_sums(rows: Array, kind: int) -> Array:
    """Return the float64 sum of each row of a matrix: of x, |x| or x * x, as `kind` says.

    The result does not depend on the number of threads.
    """
    pieces = -(-rows.shape[1] // CHUNK)
    partial = np.zeros((rows.shape[0], pieces))
    form(_row_sums, rows.size)(rows, kind, partial)
    sums: Array = partial.sum(axis=1)
    return sums


@parallel_kernel
def _row_sums(rows: Array, kind: int, partial: Array, worker: int, workers: int) -> None:
    begin, end = share_of(partial.size, worker, workers)
    _part(rows, kind, partial, begin, end)


@kernel
def _part(rows: Array, kind: int, partial: Array, begin: int, end: int) -> None:
    length, pieces = np.uintp(rows.shape[1]), np.uintp(partial.shape[1])
    values, sums = rows.reshape(rows.size), partial.reshape(partial.size)
    for piece in range(np.uintp(begin), np.uintp(end)):
        first = piece % pieces * np.uintp(CHUNK)
        start = piece // pieces * length + first
        count = min(np.uintp(CHUNK), length - first)
        if kind == PLAIN:
            sums[piece] = sum_values(values, start, count)
        elif kind == SIZES:
            sums[piece] = sum_sizes(values, start, count)
        else:
            sums[piece] = sum_squares(values, start, count)
