"""Register tiles of matrix products as numba intrinsics, in explicit float32 vectors.

numba's own loops cannot keep a block of accumulators in registers; some thirty lines of LLVM IR can. No operand is
packed: of the two tiles one always suits the way a matrix lies in memory. Loads and stores need no alignment and those
at an edge are masked, so nothing past the end of a matrix is touched.

The tile sizes suit 32 registers of 16 floats (AVX-512) or 16 registers of 8 floats (everything else).
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.convolution.direct.tiles import WIDE
from caffelite.core.kernels.ir.memory import fetch_line
from caffelite.core.kernels.ir.vectors import (
    F32,
    FLOATS,
    I64,
    CheckedLoop,
    at,
    fused,
    lane_sums,
    lanes_below,
    literals,
    load,
    masked_load,
    masked_store,
    row_places,
    shuffle,
    splat,
    store,
)

LANES = 16 if WIDE else 8
OUTER_ROWS, OUTER_VECTORS = (8, 3) if WIDE else (6, 2)  # the accumulators and one row of loads fill the registers
DOT_ROWS, DOT_COLS = (4, 6) if WIDE else (4, 3)

ZERO = ir.Constant(ir.VectorType(F32, LANES), [0.0] * LANES)


@intrinsic(prefer_literal=True)
def outer_tile(
    typingctx: Any,
    vectors: Any,
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

    i < rows <= OUTER_ROWS and j < cols, cols in (LANES * (vectors - 1), LANES * vectors]; `vectors` is a constant.
    Rows of start and c are start_stride and c_stride floats apart; start may be c. The next tile to the right of b
    and start is fetched meanwhile: rows far apart are more streams than the CPU foresees.
    """
    (count,) = literals(vectors)
    ints, addresses = types.int64, FLOATS

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, a, a_row, a_step, b, b_stride, depth, start, start_stride, c, c_stride, rows, cols = args
        mask = lanes_below(builder, builder.sub(cols, I64(LANES * (count - 1))), LANES)
        masks = [None] * (count - 1) + [mask]

        def line(address: Any) -> list[Any]:
            return [_load(builder, at(builder, address, LANES * j), masks[j]) for j in range(count)]

        a_rows = row_places(builder, a, a_row, OUTER_ROWS, rows)
        starts = row_places(builder, start, start_stride, OUTER_ROWS, rows)
        for place in starts:
            for j in range(count):
                fetch_line(builder, at(builder, place, LANES * (count + j)))
        loop = CheckedLoop(builder, depth, [b, I64(0), *[ZERO] * (OUTER_ROWS * count)])
        b_line, step = loop.values[:2]
        values = line(b_line)
        for j in range(count):
            fetch_line(builder, at(builder, b_line, LANES * (count + j)))
        new = []
        for i in range(OUTER_ROWS):
            factor = splat(builder, builder.load(at(builder, a_rows[i], step)), LANES)
            new += [fused(builder, factor, values[j], loop.values[2 + i * count + j]) for j in range(count)]
        loop.close([at(builder, b_line, b_stride), builder.add(step, a_step), *new])
        begin = [value for place in starts for value in line(place)]
        totals = [builder.fadd(x, y) for x, y in zip(begin, loop.values[2:], strict=True)]
        places = row_places(builder, c, c_stride, OUTER_ROWS, rows)
        for i in reversed(range(OUTER_ROWS)):  # rows past the end go first, onto the last one, which is stored last
            for j in range(count):
                _store(builder, totals[i * count + j], at(builder, places[i], LANES * j), masks[j])
        return context.get_dummy_value()

    operands = (addresses, ints, ints, addresses, ints, ints, addresses, ints, addresses, ints, ints, ints)
    return types.void(vectors, *operands), codegen


@intrinsic
def dot_tile(
    typingctx: Any,
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

    i < rows <= DOT_ROWS, j < cols <= DOT_COLS. Both operands are read along their rows, a vector at a time.
    """
    ints, addresses = types.int64, FLOATS

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, a_stride, b, b_stride, depth, start, start_stride, c, c_stride, rows, cols = args
        a_rows = row_places(builder, a, a_stride, DOT_ROWS, rows)
        b_rows = row_places(builder, b, b_stride, DOT_COLS, cols)

        def step(place: Any, sums: list[Any], mask: Any) -> list[Any]:
            left = [_load(builder, at(builder, row, place), mask) for row in a_rows]
            right = [_load(builder, at(builder, row, place), mask) for row in b_rows]
            return [
                fused(builder, x, y, sums[i * DOT_COLS + j]) for i, x in enumerate(left) for j, y in enumerate(right)
            ]

        loop = CheckedLoop(builder, builder.sdiv(depth, I64(LANES)), [ZERO] * (DOT_ROWS * DOT_COLS))
        loop.close(step(builder.mul(loop.index, I64(LANES)), loop.values, None))
        whole = builder.and_(depth, I64(-LANES))
        sums = step(whole, loop.values, lanes_below(builder, builder.sub(depth, whole), LANES))
        mask = lanes_below(builder, cols, LANES)
        starts = row_places(builder, start, start_stride, DOT_ROWS, rows)
        begin = [masked_load(builder, place, mask) for place in starts]
        totals = _row_totals(builder, sums)
        places = row_places(builder, c, c_stride, DOT_ROWS, rows)
        for i in reversed(range(DOT_ROWS)):  # as in outer_tile
            masked_store(builder, builder.fadd(totals[i], begin[i]), places[i], mask)
        return context.get_dummy_value()

    operands = (addresses, ints, addresses, ints, ints, addresses, ints, addresses, ints, ints, ints)
    return types.void(*operands), codegen


def _row_totals(builder: Any, sums: list[Any]) -> list[Any]:
    """For each row of the dot tile a vector whose first DOT_COLS lanes are the totals of its accumulators.

    Two rows fill the lanes of one vector; adding in a tree costs a quarter of summing each accumulator by itself.
    """
    half = LANES // 2
    upper = [lane + half if lane < half else lane for lane in range(LANES)]
    totals = []
    for i in range(0, DOT_ROWS, 2):
        slots: list[Any] = [None] * LANES
        for k in range(2):
            slots[k * half : k * half + DOT_COLS] = sums[(i + k) * DOT_COLS : (i + k + 1) * DOT_COLS]
        both = lane_sums(builder, slots)
        totals += [both, shuffle(builder, both, both, upper)]
    return totals


def _load(builder: Any, ptr: Any, mask: Any) -> Any:
    """LANES floats; where there is a mask and it is false no memory is read and the lane is 0."""
    return load(builder, ptr, LANES) if mask is None else masked_load(builder, ptr, mask)


def _store(builder: Any, value: Any, ptr: Any, mask: Any) -> None:
    if mask is None:
        store(builder, value, ptr)
    else:
        masked_store(builder, value, ptr, mask)
