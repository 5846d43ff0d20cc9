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
from caffelite.core.kernels.ir.registers import Narrow, Registers, Wide, kind_of
from caffelite.core.kernels.ir.vectors import (
    F32,
    FLOATS,
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

    registers: Registers
    lanes: int
    outer_rows: int
    outer_vectors: int
    dot_rows: int
    dot_cols: int

    @property
    def outer_cols(self) -> int:
        """Floats of a row of an outer tile."""
        return self.lanes * self.outer_vectors


TILES: dict[type[Registers], Tiles] = {Wide: Tiles(Wide(), 16, 8, 3, 4, 6), Narrow: Tiles(Narrow(), 8, 6, 2, 4, 3)}


@intrinsic
def outer_tile(
    typingctx: Any,
    registers: Any,
    a: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_stride: Any,
    depth: Any,
    start: Any,
    start_stride: Any,
    c: Any,
    c_stride: Any,
    rows: Any,
    cols: Any,
) -> Any:
    """c[i, j] = start[i, j] + sum over k < depth of a[i * a_row + k * a_step] * b[k * b_stride + j].

    i < rows and j < cols, at least 1 and at most the outer_rows and outer_cols of the TILES of the registers. Rows of
    start and c are start_stride and c_stride floats apart; start may be c. The next tile to the right of b and start is
    fetched meanwhile: rows far apart are more streams than the CPU foresees.
    """
    tiles = TILES[kind_of(registers)]
    ints, addresses = types.int64, FLOATS

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, *operands = args
        cases = []
        for count in range(tiles.outer_vectors, 0, -1):
            reached = partial(builder.icmp_signed, ">", operands[-1], I64(tiles.lanes * (count - 1)))
            cases.append((reached, partial(_outer_tile, builder, tiles, count, *operands)))
        first_that_holds(builder, cases)
        return context.get_dummy_value()

    operands = (addresses, ints, ints, addresses, ints, ints, addresses, ints, addresses, ints, ints, ints)
    return types.void(registers, *operands), codegen


def _outer_tile(
    builder: Any,
    tiles: Tiles,
    count: int,
    a: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_stride: Any,
    depth: Any,
    start: Any,
    start_stride: Any,
    c: Any,
    c_stride: Any,
    rows: Any,
    cols: Any,
) -> None:
    """Emit the code of outer_tile for `count` vectors a row, of which the last is filled up to `cols`."""
    lanes, height = tiles.lanes, tiles.outer_rows
    mask = lanes_below(builder, builder.sub(cols, I64(lanes * (count - 1))), lanes)
    masks = [None] * (count - 1) + [mask]

    def line(address: Any) -> list[Any]:
        return [_load(builder, at(builder, address, lanes * j), masks[j], lanes) for j in range(count)]

    a_rows = row_places(builder, a, a_row, height, rows)
    starts = row_places(builder, start, start_stride, height, rows)
    for place in starts:
        for j in range(count):
            fetch_line(builder, at(builder, place, lanes * (count + j)))
    loop = CheckedLoop(builder, depth, [b, I64(0), *[_zero(lanes)] * (height * count)])
    b_line, step = loop.values[:2]
    values = line(b_line)
    for j in range(count):
        fetch_line(builder, at(builder, b_line, lanes * (count + j)))
    new = []
    for i in range(height):
        factor = splat(builder, builder.load(at(builder, a_rows[i], step)), lanes)
        new += [fused(builder, factor, values[j], loop.values[2 + i * count + j]) for j in range(count)]
    loop.close([at(builder, b_line, b_stride), builder.add(step, a_step), *new])
    begin = [value for place in starts for value in line(place)]
    totals = [builder.fadd(x, y) for x, y in zip(begin, loop.values[2:], strict=True)]
    places = row_places(builder, c, c_stride, height, rows)
    for i in reversed(range(height)):  # rows past the end go first, onto the last one, which is stored last
        for j in range(count):
            _store(builder, totals[i * count + j], at(builder, places[i], lanes * j), masks[j])


@intrinsic
def row_tile(
    typingctx: Any,
    registers: Any,
    a: Any,
    a_stride: Any,
    b: Any,
    b_stride: Any,
    depth: Any,
    start: Any,
    start_stride: Any,
    c: Any,
    c_stride: Any,
    rows: Any,
    cols: Any,
) -> Any:
    """c[i, j] = start[i, j] + sum over k < depth of a[i * a_stride + k] * b[j * b_stride + k].

    i < rows and j < cols, at most the dot_rows and dot_cols of the TILES of the registers. Both operands are read along
    their rows, a vector at a time.
    """
    tiles = TILES[kind_of(registers)]
    lanes, n_rows, n_cols = tiles.lanes, tiles.dot_rows, tiles.dot_cols
    ints, addresses = types.int64, FLOATS

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, a_stride, b, b_stride, depth, start, start_stride, c, c_stride, rows, cols = args[1:]
        a_rows = row_places(builder, a, a_stride, n_rows, rows)
        b_rows = row_places(builder, b, b_stride, n_cols, cols)

        def step(place: Any, sums: list[Any], mask: Any) -> list[Any]:
            left = [_load(builder, at(builder, row, place), mask, lanes) for row in a_rows]
            right = [_load(builder, at(builder, row, place), mask, lanes) for row in b_rows]
            return [fused(builder, x, y, sums[i * n_cols + j]) for i, x in enumerate(left) for j, y in enumerate(right)]

        loop = CheckedLoop(builder, builder.sdiv(depth, I64(lanes)), [_zero(lanes)] * (n_rows * n_cols))
        loop.close(step(builder.mul(loop.index, I64(lanes)), loop.values, None))
        whole = builder.and_(depth, I64(-lanes))
        sums = step(whole, loop.values, lanes_below(builder, builder.sub(depth, whole), lanes))
        mask = lanes_below(builder, cols, lanes)
        starts = row_places(builder, start, start_stride, n_rows, rows)
        begin = [masked_load(builder, place, mask) for place in starts]
        totals = _row_totals(builder, tiles, sums)
        places = row_places(builder, c, c_stride, n_rows, rows)
        for i in reversed(range(n_rows)):  # as in outer_tile
            masked_store(builder, builder.fadd(totals[i], begin[i]), places[i], mask)
        return context.get_dummy_value()

    operands = (addresses, ints, addresses, ints, ints, addresses, ints, addresses, ints, ints, ints)
    return types.void(registers, *operands), codegen


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
