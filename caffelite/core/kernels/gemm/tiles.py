"""Register tiles of matrix products as numba intrinsics, in explicit float32 vectors.

numba's own loops cannot keep a block of accumulators in registers; some thirty lines of LLVM IR can. No operand is
packed: of the two tiles one always suits the way a matrix lies in memory. Loads and stores need no alignment and those
at an edge are masked, so nothing past the end of a matrix is touched.
"""

from functools import partial
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import fetch_line, first_that_holds
from caffelite.core.kernels.ir.operands import Matrix, RowMajor, operand, unpacked
from caffelite.core.kernels.ir.registers import Narrow, Registers, Wide, kind_of
from caffelite.core.kernels.ir.vectors import (
    F32,
    I64,
    CheckedLoop,
    at,
    fused,
    lane_sums,
    lanes_below,
    load,
    masked_load,
    masked_store,
    row_places,
    shuffle,
    splat,
    store,
)


class Tiles(NamedTuple):
    """Sizes of the tiles for some registers: the accumulators and one row of loads fill them."""

    lanes: int
    outer_rows: int
    outer_vectors: int
    dot_rows: int
    dot_cols: int

    @property
    def outer_cols(self) -> int:
        """Floats of a row of an outer tile."""
        return self.lanes * self.outer_vectors


TILES: dict[type[Registers], Tiles] = {Wide: Tiles(16, 8, 3, 4, 6), Narrow: Tiles(8, 6, 2, 4, 3)}


@intrinsic
def tiles_for(typingctx: Any, registers: Any) -> Any:
    """Return the TILES of the registers, as constants."""
    tiles = TILES[kind_of(registers)]
    kind = types.NamedUniTuple(types.int64, len(tiles), Tiles)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_tuple(builder, kind, [I64(size) for size in tiles])

    return kind(registers), codegen


@intrinsic
def outer_tile(
    typingctx: Any, registers: Any, a: Any, b: Any, depth: Any, start: Any, c: Any, rows: Any, cols: Any
) -> Any:
    """c[i, j] = start[i, j] + sum over k < depth of a[i, k] * b[k, j]; a is a Matrix, the others are RowMajor.

    i < rows and j < cols, at least 1 and at most the outer_rows and outer_cols of the TILES of the registers. start may
    be c. The next tile to the right of b and start is fetched meanwhile: rows far apart are more streams than the CPU
    foresees.
    """
    tiles = TILES[kind_of(registers)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, *operands = unpacked(context, builder, signature, args)
        cases = []
        for count in range(tiles.outer_vectors, 0, -1):
            reached = partial(builder.icmp_signed, ">", operands[-1], I64(tiles.lanes * (count - 1)))
            cases.append((reached, partial(_outer_tile, builder, tiles, count, *operands)))
        first_that_holds(builder, cases)
        return context.get_dummy_value()

    return _signature(registers, operand(a, Matrix), b, start, c), codegen


def _signature(registers: Any, a: Any, b: Any, start: Any, c: Any) -> Any:
    """Return the types of a tile's arguments."""
    b, start, c = (operand(matrix, RowMajor) for matrix in (b, start, c))
    return types.void(registers, a, b, types.int64, start, c, types.int64, types.int64)


def _outer_tile(
    builder: Any,
    tiles: Tiles,
    count: int,
    a: Matrix,
    b: RowMajor,
    depth: Any,
    start: RowMajor,
    c: RowMajor,
    rows: Any,
    cols: Any,
) -> None:
    """Emit the code of outer_tile for `count` vectors a row, of which the last is filled up to `cols`."""
    lanes, height = tiles.lanes, tiles.outer_rows
    mask = lanes_below(builder, builder.sub(cols, I64(lanes * (count - 1))), lanes)
    masks = [None] * (count - 1) + [mask]

    def line(address: Any) -> list[Any]:
        return [_load(builder, at(builder, address, lanes * j), masks[j], lanes) for j in range(count)]

    a_rows = row_places(builder, a.data, a.row_stride, height, rows)
    starts = row_places(builder, start.data, start.stride, height, rows)
    for place in starts:
        for j in range(count):
            fetch_line(builder, at(builder, place, lanes * (count + j)))
    loop = CheckedLoop(builder, depth, [b.data, I64(0), *[_zero(lanes)] * (height * count)])
    b_line, step = loop.values[:2]
    values = line(b_line)
    for j in range(count):
        fetch_line(builder, at(builder, b_line, lanes * (count + j)))
    new = []
    for i in range(height):
        factor = splat(builder, builder.load(at(builder, a_rows[i], step)), lanes)
        new += [fused(builder, factor, values[j], loop.values[2 + i * count + j]) for j in range(count)]
    loop.close([at(builder, b_line, b.stride), builder.add(step, a.column_stride), *new])
    begin = [value for place in starts for value in line(place)]
    totals = [builder.fadd(x, y) for x, y in zip(begin, loop.values[2:], strict=True)]
    places = row_places(builder, c.data, c.stride, height, rows)
    for i in reversed(range(height)):  # rows past the end go first, onto the last one, which is stored last
        for j in range(count):
            _store(builder, totals[i * count + j], at(builder, places[i], lanes * j), masks[j])


@intrinsic
def row_tile(
    typingctx: Any, registers: Any, a: Any, b: Any, depth: Any, start: Any, c: Any, rows: Any, cols: Any
) -> Any:
    """c[i, j] = start[i, j] + sum over k < depth of a[i, k] * b[j, k]; all are RowMajor.

    i < rows and j < cols, at most the dot_rows and dot_cols of the TILES of the registers. Both operands are read along
    their rows, a vector at a time.
    """
    tiles = TILES[kind_of(registers)]
    lanes, n_rows, n_cols = tiles.lanes, tiles.dot_rows, tiles.dot_cols

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, a, b, depth, start, c, rows, cols = unpacked(context, builder, signature, args)
        a_rows = row_places(builder, a.data, a.stride, n_rows, rows)
        b_rows = row_places(builder, b.data, b.stride, n_cols, cols)

        def step(place: Any, sums: list[Any], mask: Any) -> list[Any]:
            left = [_load(builder, at(builder, row, place), mask, lanes) for row in a_rows]
            right = [_load(builder, at(builder, row, place), mask, lanes) for row in b_rows]
            return [fused(builder, x, y, sums[i * n_cols + j]) for i, x in enumerate(left) for j, y in enumerate(right)]

        loop = CheckedLoop(builder, builder.sdiv(depth, I64(lanes)), [_zero(lanes)] * (n_rows * n_cols))
        loop.close(step(builder.mul(loop.index, I64(lanes)), loop.values, None))
        whole = builder.and_(depth, I64(-lanes))
        sums = step(whole, loop.values, lanes_below(builder, builder.sub(depth, whole), lanes))
        mask = lanes_below(builder, cols, lanes)
        starts = row_places(builder, start.data, start.stride, n_rows, rows)
        begin = [masked_load(builder, place, mask) for place in starts]
        totals = _row_totals(builder, tiles, sums)
        places = row_places(builder, c.data, c.stride, n_rows, rows)
        for i in reversed(range(n_rows)):  # as in outer_tile
            masked_store(builder, builder.fadd(totals[i], begin[i]), places[i], mask)
        return context.get_dummy_value()

    return _signature(registers, operand(a, RowMajor), b, start, c), codegen


def _row_totals(builder: Any, tiles: Tiles, sums: list[Any]) -> list[Any]:
    """For each row of the dot tile a vector whose first dot_cols lanes are the totals of its accumulators.

    Two rows fill the lanes of one vector; adding in a tree costs a quarter of summing each accumulator by itself.
    """
    lanes, n_cols = tiles.lanes, tiles.dot_cols
    half = lanes // 2
    upper = [lane + half if lane < half else lane for lane in range(lanes)]
    totals = []
    for i in range(0, tiles.dot_rows, 2):
        slots: list[Any] = [None] * lanes
        for k in range(2):
            slots[k * half : k * half + n_cols] = sums[(i + k) * n_cols : (i + k + 1) * n_cols]
        both = lane_sums(builder, slots)
        totals += [both, shuffle(builder, both, both, upper)]
    return totals


def _zero(lanes: int) -> Any:
    return ir.Constant(ir.VectorType(F32, lanes), [0.0] * lanes)


def _load(builder: Any, ptr: Any, mask: Any, lanes: int) -> Any:
    """Return `lanes` floats; where there is a mask and it is false no memory is read and the lane is 0."""
    return load(builder, ptr, lanes) if mask is None else masked_load(builder, ptr, mask)


def _store(builder: Any, value: Any, ptr: Any, mask: Any) -> None:
    if mask is None:
        store(builder, value, ptr)
    else:
        masked_store(builder, value, ptr, mask)
