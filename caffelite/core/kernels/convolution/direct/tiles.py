"""Register tiles: blocks of accumulators that stay in vector registers over one long sum."""

from functools import partial
from typing import Any, NamedTuple

from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import first_that_holds
from caffelite.core.kernels.ir.operands import RowMajor, Runs, Start, operand, unpacked
from caffelite.core.kernels.ir.registers import Narrow, Registers, Shapes, Wide, kind_of
from caffelite.core.kernels.ir.vectors import (
    FLOATS,
    I64,
    LANES,
    ZERO,
    Loop,
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
    vectors_in,
)

# Rows and vectors of the tiles of pixels, rows and columns of the tiles of dot products: their sums fill the registers.
PIXEL_TILES: dict[type[Registers], Shapes] = {Wide: ((8, 3), (10, 2)), Narrow: ((6, 1),)}
DOT_TILES: dict[type[Registers], Shapes] = {Wide: ((5, 5), (4, 6)), Narrow: ((1, 4),)}


@intrinsic
def pixel_tile(
    typingctx: Any, registers: Any, rows: Any, vectors: Any, a: Any, b: Any, c: Any, valid: Any, lanes: Any, start: Any
) -> Any:
    """c[:valid, :] = start + (sum over i < b.number of a[i, rows] x b[i, : 16 * vectors]); b.number at least 1.

    a is a pointer, b are Runs, c is RowMajor and start a Start. Of the last vector of c only the first `lanes` floats
    are touched. `rows` is that of one of the PIXEL_TILES of the registers, `vectors` at most its vectors.
    """
    shapes = PIXEL_TILES[kind_of(registers)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, rows, vectors, *operands = unpacked(context, builder, signature, args)

        def of_height(n_rows: int, widest: int) -> None:
            narrower = [
                (partial(_equal, builder, vectors, n), partial(_pixel_tile, builder, n_rows, n, *operands))
                for n in range(widest, 0, -1)
            ]
            first_that_holds(builder, narrower)

        first_that_holds(
            builder, [(partial(_equal, builder, rows, shape[0]), partial(of_height, *shape)) for shape in shapes]
        )
        return context.get_dummy_value()

    i64, runs, target = types.int64, operand(b, Runs), operand(c, RowMajor)
    return types.void(registers, i64, i64, FLOATS, runs, target, i64, i64, operand(start, Start)), codegen


def _equal(builder: Any, value: Any, number: int) -> Any:
    return builder.icmp_signed("==", value, I64(number))


def _pixel_tile(
    builder: Any, n_rows: int, n_vec: int, a: Any, b: Runs, c: RowMajor, valid: Any, lanes: Any, start: Start
) -> None:
    """Emit the code of pixel_tile for one shape."""
    mask = lanes_below(builder, lanes)
    places = row_places(builder, c.data, c.stride, n_rows, valid)
    loop = Loop(builder, b.number, [a, *[ZERO] * (n_rows * n_vec)])
    row = at(builder, b.data, builder.sext(builder.load(at(builder, b.offsets, loop.index)), I64))
    pixels = [load(builder, at(builder, row, LANES * j)) for j in range(n_vec)]
    new = [at(builder, loop.values[0], n_rows)]
    for i in range(n_rows):
        weight = splat(builder, builder.load(at(builder, loop.values[0], i)))
        new += [fused(builder, weight, pixels[j], loop.values[1 + i * n_vec + j]) for j in range(n_vec)]
    sums = loop.close(new)[1:]
    starts = _starts(builder, n_vec, places, mask, start)
    for i in reversed(range(n_rows)):  # rows past `valid` go first, onto the last valid one
        for j in range(n_vec):
            total, place = builder.fadd(sums[i * n_vec + j], starts[i][j]), at(builder, places[i], LANES * j)
            if j < n_vec - 1:
                store(builder, total, place)
            else:
                masked_store(builder, total, place, mask)


def _starts(builder: Any, n_vec: int, places: list[Any], mask: Any, start: Start) -> list[list[Any]]:
    """Return what the sums are added to, for each row and vector: what is there if `more` is not 0, else the bias."""
    fresh = [[splat(builder, builder.load(at(builder, start.bias, i)))] * n_vec for i in range(len(places))]
    before = builder.block
    with builder.if_then(builder.icmp_signed("!=", start.more, I64(0))):
        kept = []
        for place in places:
            whole = [load(builder, at(builder, place, LANES * j)) for j in range(n_vec - 1)]
            kept.append([*whole, masked_load(builder, at(builder, place, LANES * (n_vec - 1)), mask)])
        after = builder.block
    starts = [[builder.phi(value.type) for value in row] for row in fresh]
    for row, new, old in zip(starts, fresh, kept, strict=True):
        for phi, value, other in zip(row, new, old, strict=True):
            phi.add_incoming(value, before)
            phi.add_incoming(other, after)
    return starts


class Samples(NamedTuple):
    """Samples that a sum goes over, and how many floats they are apart in its left and its right factor."""

    number: int
    left_stride: int
    right_stride: int


@intrinsic
def dot_tile(
    typingctx: Any, registers: Any, rows: Any, a: Any, b: Any, c: Any, valid: Any, samples: Any, count: Any
) -> Any:
    """c[i, j] += sum over samples s and q < count of a[i, q + s * left_stride] * b[j, q + s * right_stride].

    For i < valid and j < b.number; samples are Samples, at least one as is count, a and c are RowMajor and b are Runs.
    b is read up to the next multiple of 16 of count and must be finite there; a and c are read inside only. `rows` is
    that of one of the DOT_TILES of the registers; b has as many offsets as it has columns, and those past b.number
    count for nothing.
    """
    shapes = DOT_TILES[kind_of(registers)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, rows, *operands = unpacked(context, builder, signature, args)
        first_that_holds(
            builder,
            [
                (partial(_equal, builder, rows, shape[0]), partial(_dot_tile, builder, *shape, *operands))
                for shape in shapes
            ],
        )
        return context.get_dummy_value()

    i64, matrices = types.int64, (operand(a, RowMajor), operand(b, Runs), operand(c, RowMajor))
    return types.void(registers, i64, *matrices, i64, operand(samples, Samples), i64), codegen


def _dot_tile(
    builder: Any,
    n_rows: int,
    n_columns: int,
    a: RowMajor,
    b: Runs,
    c: RowMajor,
    valid: Any,
    samples: Samples,
    count: Any,
) -> None:
    """Emit the code of dot_tile for one shape, of at most 8 columns."""
    lefts = row_places(builder, a.data, a.stride, n_rows, valid)
    offsets = [builder.sext(builder.load(at(builder, b.offsets, j)), I64) for j in range(n_columns)]
    rights = [at(builder, b.data, offset) for offset in offsets]
    outer = Loop(builder, samples.number, [I64(0), I64(0), *[ZERO] * (n_rows * n_columns)])
    inner = Loop(builder, vectors_in(builder, count), outer.values[2:])
    place = builder.mul(inner.index, I64(LANES))
    mask = lanes_below(builder, builder.sub(count, place))
    a_place, b_place = builder.add(outer.values[0], place), builder.add(outer.values[1], place)
    left = [masked_load(builder, at(builder, ptr, a_place), mask) for ptr in lefts]
    right = [load(builder, at(builder, ptr, b_place)) for ptr in rights]
    pairs = [(i, j) for i in range(n_rows) for j in range(n_columns)]
    sums = [fused(builder, left[i], right[j], inner.values[n]) for n, (i, j) in enumerate(pairs)]
    sums = inner.close(sums)
    steps = zip(outer.values, (samples.left_stride, samples.right_stride), strict=False)
    sums = outer.close([*(builder.add(place, step) for place, step in steps), *sums])[2:]
    tile = [sums[i * n_columns :][:n_columns] for i in range(n_rows)]
    _add_sums(builder, tile, c, valid, b.number)


def _add_sums(builder: Any, tile: list[list[Any]], c: RowMajor, valid_rows: Any, valid_columns: Any) -> None:
    """c[i, j] += sum of the lanes of tile[i][j]; at most 8 columns, so that two rows share a vector."""
    for i in range(0, len(tile), 2):
        slots: list[Any] = [None] * LANES
        for half, row in enumerate(tile[i : i + 2]):
            slots[8 * half : 8 * half + len(row)] = row
        sums = lane_sums(builder, slots)
        for half in range(len(tile[i : i + 2])):
            inside = builder.icmp_signed("<", I64(i + half), valid_rows)
            mask = lanes_below(builder, builder.select(inside, valid_columns, I64(0)))
            place = at(builder, c.data, builder.mul(c.stride, I64(i + half)))
            here = shuffle(builder, sums, sums, [(8 * half + lane) % LANES for lane in range(LANES)])
            masked_store(builder, builder.fadd(masked_load(builder, place, mask), here), place, mask)
