"""Matrix products of float32 arrays, and InnerProduct's three products made of them. No BLAS is used.

Names follow BLAS: n is a matrix as it lies in memory, t one that is read transposed. Every array is C-contiguous with
two axes; none needs an aligned address. Products are summed in blocks, the same ones for any number of threads.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels.gemm.tiles import TILES, Tiles, outer_tile, row_tile
from caffelite.core.kernels.ir.pointers import pointer
from caffelite.core.kernels.ir.registers import registers_of_cpu
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.sharing import form, signed_share_of

Array = np.ndarray[Any, np.dtype[Any]]

DOT_BLOCK = 1024  # floats of each row that a pass of dot tiles takes, so that the rows of `a` stay in L2
WIDEST = max(tiles.outer_cols for tiles in TILES.values())
NOTHING = np.zeros((1, WIDEST), np.float32)  # what an overwritten product starts from


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
    _choose(_dot_product, a.shape[0], b.shape[0], a.shape[1])(tiles_of_cpu(), a, b, start, c)


def multiply_nn(a: Array, b: Array, c: Array, start: Array | None = None) -> None:
    """Fill c (M, N) with start + a (M, K) b (K, N); start as in multiply_nt."""
    depth, cols = b.shape
    start = NOTHING if start is None else start
    tiles = tiles_of_cpu()
    # b is read in blocks of 64 rows, which a tile walks down: more would overrun the address tables of the CPU
    _choose(_outer_product, a.shape[0], cols, depth)(tiles, a, False, b, start, c, 64, tiles.outer_cols)


def multiply_tn(a: Array, b: Array, c: Array, start: Array | None = None) -> None:
    """Fill c (M, N) with start + a (K, M).T b (K, N); start as in multiply_nt."""
    depth, cols = b.shape
    start = NOTHING if start is None else start
    # one strip: c is walked along its rows, since it is the large matrix here
    _choose(_outer_product, a.shape[1], cols, depth)(tiles_of_cpu(), a, True, b, start, c, 256, max(cols, 1))


def tiles_of_cpu() -> Tiles:
    """Return the sizes of tiles for the registers that code is compiled for."""
    return TILES[type(registers_of_cpu())]


def _choose(product: Any, rows: int, cols: int, depth: int) -> Any:
    """Return the form of `product` that pays for this amount of work."""
    return form(product, rows * cols * depth / 2)


@kernel
def _share(count: int, unit: int, worker: int, workers: int) -> tuple[int, int]:
    """Return the share of range(count) that is this worker's, in whole units of `unit`."""
    first, last = signed_share_of((count + unit - 1) // unit, worker, workers)
    return min(count, first * unit), min(count, last * unit)


@parallel_kernel
def _dot_product(tiles: Tiles, a: Array, b: Array, start: Array, c: Array, worker: int, workers: int) -> None:
    """See multiply_nt; rows or columns of c are shared out, whichever are more."""
    rows, cols = c.shape
    r0, r1, c0, c1 = 0, rows, 0, cols
    if rows > cols:
        r0, r1 = _share(rows, tiles.dot_rows, worker, workers)
    else:
        c0, c1 = _share(cols, tiles.dot_cols, worker, workers)
    _dot_part(tiles, a, b, start, c, r0, r1, c0, c1)


@kernel
def _dot_part(tiles: Tiles, a: Array, b: Array, start: Array, c: Array, r0: int, r1: int, c0: int, c1: int) -> None:
    depth, cols = a.shape[1], c.shape[1]
    along = 0 if start.shape[1] < cols else 1  # NOTHING is as short as the widest tile
    for k in range(0, max(depth, 1), DOT_BLOCK):
        size = min(DOT_BLOCK, depth - k)
        for j in range(c0, c1, tiles.dot_cols):
            for i in range(r0, r1, tiles.dot_rows):
                place = pointer(c, i * cols + j)
                begin, stride = place, cols
                if k == 0 and start.shape[0] == 1:
                    begin, stride = pointer(start, j * along), 0
                left, right = pointer(a, i * depth + k), pointer(b, j * depth + k)
                row_tile(
                    tiles.registers,
                    left,
                    depth,
                    right,
                    depth,
                    size,
                    begin,
                    stride,
                    place,
                    cols,
                    min(tiles.dot_rows, r1 - i),
                    min(tiles.dot_cols, c1 - j),
                )


@parallel_kernel
def _outer_product(
    tiles: Tiles,
    a: Array,
    transposed: bool,
    b: Array,
    start: Array,
    c: Array,
    block: int,
    strip: int,
    worker: int,
    workers: int,
) -> None:
    """Fill c with start + a b, or a.T b if transposed; depth in blocks of `block`, columns in strips of `strip`.

    Rows or columns of c are shared out, whichever make more tiles.
    """
    rows, cols = c.shape
    r0, r1, c0, c1 = 0, rows, 0, cols
    if rows * tiles.lanes * tiles.outer_vectors > cols * tiles.outer_rows:
        r0, r1 = _share(rows, tiles.outer_rows, worker, workers)
    else:
        c0, c1 = _share(cols, tiles.lanes, worker, workers)
    _outer_part(tiles, a, transposed, b, start, c, block, strip, r0, r1, c0, c1)


@kernel
def _outer_part(
    tiles: Tiles,
    a: Array,
    transposed: bool,
    b: Array,
    start: Array,
    c: Array,
    block: int,
    strip: int,
    r0: int,
    r1: int,
    c0: int,
    c1: int,
) -> None:
    depth, cols = b.shape
    width_of_tile = tiles.lanes * tiles.outer_vectors
    a_row, a_step = (1, a.shape[1]) if transposed else (a.shape[1], 1)
    along = 0 if start.shape[1] < cols else 1
    for k in range(0, max(depth, 1), block):
        size = min(block, depth - k)
        for j0 in range(c0, c1, strip):
            for i in range(r0, r1, tiles.outer_rows):
                left, height = pointer(a, i * a_row + k * a_step), min(tiles.outer_rows, r1 - i)
                for j in range(j0, min(j0 + strip, c1), width_of_tile):
                    place = pointer(c, i * cols + j)
                    begin, stride = place, cols
                    if k == 0 and start.shape[0] == 1:
                        begin, stride = pointer(start, j * along), 0
                    right, width = pointer(b, k * cols + j), min(width_of_tile, c1 - j)
                    outer_tile(
                        tiles.registers,
                        left,
                        a_row,
                        a_step,
                        right,
                        cols,
                        size,
                        begin,
                        stride,
                        place,
                        cols,
                        height,
                        width,
                    )
