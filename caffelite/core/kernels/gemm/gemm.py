"""Matrix products of float32 arrays, and InnerProduct's three products made of them. No BLAS is used.

Names follow BLAS: n is a matrix as it lies in memory, t one that is read transposed. Every array is C-contiguous with
two axes; none needs an aligned address. Products are summed in blocks, the same ones for any number of threads.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.gemm.tiles import TILES, outer_tile, row_tile, tiles_for
from caffelite.core.kernels.ir.operands import Matrix, RowMajor
from caffelite.core.kernels.ir.pointers import pointer
from caffelite.core.kernels.ir.registers import Registers, registers_of_cpu
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.sharing import form, signed_share_of

Array = np.ndarray[Any, np.dtype[Any]]

DOT_BLOCK = 1024  # floats of each row that a pass of dot tiles takes, so that the rows of `a` stay in L2
WIDEST = max(tiles.outer_cols for tiles in TILES.values())
NOTHING = np.zeros((1, WIDEST), np.float32)  # what an overwritten product starts from


class Share(NamedTuple):
    """The rows r0 to r1 and the columns c0 to c1 of c that one thread gets."""

    r0: int
    r1: int
    c0: int
    c1: int


def inner_product_forward(bottom: Array, weight: Array, bias: Array | None, transpose: bool, top: Array) -> None:
    """Overwrite top (M, N) with bottom (M, K) times weight, plus bias (N) in every row.

    weight is (N, K), or (K, N) if transpose.
    """
    product = multiply_nn if transpose else multiply_nt
    product(bottom, weight, top, start=None if bias is None else bias.reshape(1, -1))


def inner_product_weight_diff(bottom: Array, top_diff: Array, transpose: bool, weight_diff: Array) -> None:
    """Add the gradient for bottom (M, K) and top_diff (M, N) to weight_diff, (N, K) or, if transpose, (K, N)."""
    if transpose:
        multiply_tn(bottom, top_diff, weight_diff, start=weight_diff)
    else:
        multiply_tn(top_diff, bottom, weight_diff, start=weight_diff)


def inner_product_bottom_diff(top_diff: Array, weight: Array, transpose: bool, bottom_diff: Array) -> None:
    """Overwrite bottom_diff (M, K) with top_diff (M, N) times weight (N, K), or (K, N) if transpose."""
    product = multiply_nt if transpose else multiply_nn
    product(top_diff, weight, bottom_diff)


@kernel
def inner_product_bias_diff(top_diff: Array, bias_diff: Array) -> None:
    """Add the sum of the rows of top_diff (M, N) to bias_diff (N)."""
    count = np.uintp(bias_diff.size)
    for m in range(np.uintp(top_diff.shape[0])):
        for n in range(count):
            bias_diff[n] += top_diff[m, n]


def multiply_nt(a: Array, b: Array, c: Array, start: Array | None = None) -> None:
    """Fill c (M, N) with start + a (M, K) b (N, K).T; start is c itself, one row (1, N) for all rows, or None for 0."""
    start = NOTHING if start is None else start
    _choose(_dot_product, a.shape[0], b.shape[0], a.shape[1])(registers_of_cpu(), a, b, start, c)


def multiply_nn(a: Array, b: Array, c: Array, start: Array | None = None) -> None:
    """Fill c (M, N) with start + a (M, K) b (K, N); start as in multiply_nt."""
    start = NOTHING if start is None else start
    _choose(_outer_product, a.shape[0], b.shape[1], b.shape[0])(registers_of_cpu(), a, False, b, start, c)


def multiply_tn(a: Array, b: Array, c: Array, start: Array | None = None) -> None:
    """Fill c (M, N) with start + a (K, M).T b (K, N); start as in multiply_nt."""
    start = NOTHING if start is None else start
    _choose(_outer_product, a.shape[1], b.shape[1], b.shape[0])(registers_of_cpu(), a, True, b, start, c)


def _choose(product: Any, rows: int, cols: int, depth: int) -> Any:
    """Return the form of `product` that pays for this amount of work."""
    return form(product, rows * cols * depth / 2)


@kernel
def _whole_units(count: int, unit: int, worker: int, workers: int) -> tuple[int, int]:
    """Return the part of range(count) that is this worker's, in whole units of `unit`."""
    first, last = signed_share_of((count + unit - 1) // unit, worker, workers)
    return min(count, first * unit), min(count, last * unit)


@parallel_kernel
def _dot_product(registers: Registers, a: Array, b: Array, start: Array, c: Array, worker: int, workers: int) -> None:
    """See multiply_nt; rows or columns of c are shared out, whichever are more."""
    tiles, (rows, cols) = tiles_for(registers), c.shape
    r0, r1, c0, c1 = 0, rows, 0, cols
    if rows > cols:
        r0, r1 = _whole_units(rows, tiles.dot_rows, worker, workers)
    else:
        c0, c1 = _whole_units(cols, tiles.dot_cols, worker, workers)
    _dot_share(registers, a, b, start, c, Share(r0, r1, c0, c1))


@kernel
def _dot_share(registers: Registers, a: Array, b: Array, start: Array, c: Array, share: Share) -> None:
    """Fill one share of c, in tiles of dot products."""
    tiles = tiles_for(registers)
    depth, cols = a.shape[1], c.shape[1]
    along = 0 if start.shape[1] < cols else 1  # NOTHING is as short as the widest tile
    for k in range(0, max(depth, 1), DOT_BLOCK):
        size = min(DOT_BLOCK, depth - k)
        for j in range(share.c0, share.c1, tiles.dot_cols):
            for i in range(share.r0, share.r1, tiles.dot_rows):
                target = RowMajor(pointer(c, i * cols + j), cols)
                begin = target
                if k == 0 and start.shape[0] == 1:
                    begin = RowMajor(pointer(start, j * along), 0)
                left, right = RowMajor(pointer(a, i * depth + k), depth), RowMajor(pointer(b, j * depth + k), depth)
                height, width = min(tiles.dot_rows, share.r1 - i), min(tiles.dot_cols, share.c1 - j)
                row_tile(registers, left, right, size, begin, target, height, width)


@parallel_kernel
def _outer_product(
    registers: Registers, a: Array, transposed: bool, b: Array, start: Array, c: Array, worker: int, workers: int
) -> None:
    """Fill c with start + a b, or a.T b if transposed.

    Rows or columns of c are shared out, whichever make more tiles.
    """
    tiles, (rows, cols) = tiles_for(registers), c.shape
    r0, r1, c0, c1 = 0, rows, 0, cols
    if rows * tiles.lanes * tiles.outer_vectors > cols * tiles.outer_rows:
        r0, r1 = _whole_units(rows, tiles.outer_rows, worker, workers)
    else:
        c0, c1 = _whole_units(cols, tiles.lanes, worker, workers)
    _outer_share(registers, a, transposed, b, start, c, Share(r0, r1, c0, c1))


@kernel
def _outer_share(
    registers: Registers, a: Array, transposed: bool, b: Array, start: Array, c: Array, share: Share
) -> None:
    """Fill one share of c, in outer tiles; depth in blocks and columns in strips."""
    tiles, (depth, cols) = tiles_for(registers), b.shape
    width_of_tile = tiles.lanes * tiles.outer_vectors
    # b is read in blocks of 64 rows, which a tile walks down: more would overrun the address tables of the CPU
    block, strip, row_stride, column_stride = 64, width_of_tile, a.shape[1], 1
    if transposed:
        # one strip: c is walked along its rows, since it is the large matrix here
        block, strip, row_stride, column_stride = 256, max(cols, 1), 1, a.shape[1]
    along = 0 if start.shape[1] < cols else 1
    for k in range(0, max(depth, 1), block):
        size = min(block, depth - k)
        for j0 in range(share.c0, share.c1, strip):
            for i in range(share.r0, share.r1, tiles.outer_rows):
                left = Matrix(pointer(a, i * row_stride + k * column_stride), row_stride, column_stride)
                height = min(tiles.outer_rows, share.r1 - i)
                for j in range(j0, min(j0 + strip, share.c1), width_of_tile):
                    target = RowMajor(pointer(c, i * cols + j), cols)
                    begin = target
                    if k == 0 and start.shape[0] == 1:
                        begin = RowMajor(pointer(start, j * along), 0)
                    right, width = RowMajor(pointer(b, k * cols + j), cols), min(width_of_tile, share.c1 - j)
                    outer_tile(registers, left, right, size, begin, target, height, width)
