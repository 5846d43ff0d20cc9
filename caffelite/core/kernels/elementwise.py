"""Loops over whole arrays: sums, products, the larger of two, copies of blocks. float32 and float64.

Arrays are C-contiguous and of one size; their shapes do not matter. `out` may be an operand itself (slower), but not a
part of one.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.math import select
from caffelite.core.kernels.ir.sums import sum_squares
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]

BLOCK = 4096  # elements of a partial sum


def weighted_sum(alpha: float, x: Array, beta: float, y: Array, out: Array) -> None:
    """Overwrite out with alpha * x + beta * y."""
    number = x.dtype.type
    form(_weighted_sum, x.size)(number(alpha), x.reshape(-1), number(beta), y.reshape(-1), out.reshape(-1))


def add_scaled(alpha: float, x: Array, out: Array) -> None:
    """Add alpha * x to out."""
    form(_add_scaled, x.size)(x.dtype.type(alpha), x.reshape(-1), out.reshape(-1))


def scale(alpha: float, x: Array, out: Array) -> None:
    """Overwrite out with alpha * x."""
    form(_scale, x.size)(x.dtype.type(alpha), x.reshape(-1), out.reshape(-1))


def sum_of(terms: list[Array], out: Array) -> None:
    """Overwrite out with the sum of one or more arrays, added in their order."""
    if len(terms) == 1:
        scale(1, terms[0], out)
        return
    weighted_sum(1, terms[0], 1, terms[1], out)
    for term in terms[2:]:
        add_scaled(1, term, out)


def multiply(x: Array, y: Array, out: Array) -> None:
    """Overwrite out with x * y."""
    form(_multiply, x.size)(x.reshape(-1), y.reshape(-1), out.reshape(-1))


def multiply_by(x: Array, out: Array) -> None:
    """Multiply out by x."""
    form(_multiply_by, x.size)(x.reshape(-1), out.reshape(-1))


def largest_of(terms: list[Array], out: Array, winner: Array) -> None:
    """Overwrite out with the largest of two or more arrays, and winner (int32) with its number.

    Array 0 wins over 1 only if strictly larger, so that NaN and equal values go to 1; later ones must be strictly
    larger, too.
    """
    flat, numbers = out.reshape(-1), winner.reshape(-1)
    form(_larger, out.size)(terms[0].reshape(-1), terms[1].reshape(-1), flat, numbers)
    for index, term in enumerate(terms[2:], 2):
        form(_raise_to, out.size)(term.reshape(-1), np.int32(index), flat, numbers)


def where_winner(top_diff: Array, winner: Array, index: int, bottom_diff: Array) -> None:
    """Overwrite bottom_diff with top_diff where winner is `index`, 0 elsewhere."""
    form(_where_winner, top_diff.size)(
        top_diff.reshape(-1), winner.reshape(-1), np.int32(index), bottom_diff.reshape(-1)
    )


def copy_blocks(source: Array, source_at: int, source_step: int, target: Array, target_at: int, target_step: int,
                blocks: int, size: int) -> None:  # fmt: skip
    """Copy `blocks` runs of `size` elements; run i begins at source_at + i * source_step, in the target alike."""
    form(_copy_blocks, blocks * size)(
        source.reshape(-1), source_at, source_step, target.reshape(-1), target_at, target_step, blocks, size
    )


def sum_of_squares(x: Array) -> float:
    """Return the sum of the squares, blocks of 4096 added in float64."""
    return float(_sum_of_squares(x.reshape(-1)))


@parallel_kernel
def _weighted_sum(alpha: float, x: Array, beta: float, y: Array, out: Array, worker: int, workers: int) -> None:
    begin, end = share_of(x.size, worker, workers)
    for i in range(begin, end):
        out[i] = alpha * x[i] + beta * y[i]


@parallel_kernel
def _add_scaled(alpha: float, x: Array, out: Array, worker: int, workers: int) -> None:
    begin, end = share_of(x.size, worker, workers)
    for i in range(begin, end):
        out[i] += alpha * x[i]


@parallel_kernel
def _scale(alpha: float, x: Array, out: Array, worker: int, workers: int) -> None:
    begin, end = share_of(x.size, worker, workers)
    for i in range(begin, end):
        out[i] = alpha * x[i]


@parallel_kernel
def _multiply(x: Array, y: Array, out: Array, worker: int, workers: int) -> None:
    begin, end = share_of(x.size, worker, workers)
    for i in range(begin, end):
        out[i] = x[i] * y[i]


@parallel_kernel
def _multiply_by(x: Array, out: Array, worker: int, workers: int) -> None:
    begin, end = share_of(x.size, worker, workers)
    for i in range(begin, end):
        out[i] *= x[i]


@parallel_kernel
def _larger(x: Array, y: Array, out: Array, winner: Array, worker: int, workers: int) -> None:
    begin, end = share_of(x.size, worker, workers)
    for i in range(begin, end):
        first = x[i] > y[i]
        out[i] = select(first, x[i], y[i])
        winner[i] = select(first, np.int32(0), np.int32(1))


@parallel_kernel
def _raise_to(x: Array, index: int, out: Array, winner: Array, worker: int, workers: int) -> None:
    begin, end = share_of(x.size, worker, workers)
    for i in range(begin, end):
        larger = x[i] > out[i]
        out[i] = select(larger, x[i], out[i])
        winner[i] = select(larger, index, winner[i])


@parallel_kernel
def _where_winner(top_diff: Array, winner: Array, index: int, bottom_diff: Array, worker: int, workers: int) -> None:
    zero = top_diff.dtype.type(0)
    begin, end = share_of(top_diff.size, worker, workers)
    for i in range(begin, end):
        bottom_diff[i] = select(winner[i] == index, top_diff[i], zero)


@parallel_kernel
def _copy_blocks(
    source: Array,
    source_at: int,
    source_step: int,
    target: Array,
    target_at: int,
    target_step: int,
    blocks: int,
    size: int,
    worker: int,
    workers: int,
) -> None:
    begin, end = share_of(blocks, worker, workers)
    for block in range(begin, end):
        read = np.uintp(source_at) + block * np.uintp(source_step)
        write = np.uintp(target_at) + block * np.uintp(target_step)
        for i in range(np.uintp(size)):
            target[write + i] = source[read + i]


@kernel
def _sum_of_squares(x: Array) -> Any:
    total = 0.0
    for at in range(0, x.size, BLOCK):
        total += sum_squares(x, at, min(BLOCK, x.size - at))
    return total
