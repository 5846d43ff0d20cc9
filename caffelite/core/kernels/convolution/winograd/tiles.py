"""Intrinsics of Winograd's F(4x4, 3x3): 16 channels at once are transformed, and multiplied in register tiles.

Lanes are channels: pixels are first brought to runs of 16 channels by transposing in registers (turn_in), and results
back (turn_out). So transforms are plain sums of vectors, and products need no packing: of a tile of 4 x 4 outputs each
of the 36 transformed pixels is one row of a matrix (tiles x channels).

Transforms are those of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), with points
0, 1, -1, 2, -2; gradients take the transposed matrices.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import either, first_that_holds
from caffelite.core.kernels.ir.registers import Narrow, Registers, Wide, kind_of
from caffelite.core.kernels.ir.vectors import (
    FLOATS,
    I64,
    INTS,
    LANES,
    VECTOR,
    ZERO,
    Loop,
    at,
    fused,
    lanes_below,
    literals,
    load,
    masked_load,
    masked_store,
    row_places,
    splat,
    store,
    transposed,
    vectors_in,
)

Line = list[Any]  # vectors of one row or column of a square


@intrinsic
def turn_in(typingctx: Any, source: Any, source_stride: Any, rows: Any, count: Any, target: Any, places: Any) -> Any:
    """target[places[k] + i] = source[i * source_stride + k] for i < rows, 0 for other i < 16; k < count.

    count is at least 1, rows at most 16. Nothing else is read or written.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, source_stride, rows, count, target, places = args
        loop = Loop(builder, vectors_in(builder, count), [])
        start = builder.mul(loop.index, I64(LANES))
        left = builder.sub(count, start)
        corner = at(builder, source, start)
        lines = [at(builder, corner, builder.mul(source_stride, I64(i))) for i in range(LANES)]
        whole = builder.and_(builder.icmp_signed(">=", left, I64(LANES)), builder.icmp_signed("==", rows, I64(LANES)))

        def inside() -> Line:
            limits = [builder.select(builder.icmp_signed("<", I64(i), rows), left, I64(0)) for i in range(LANES)]
            return [masked_load(builder, lines[i], lanes_below(builder, limits[i])) for i in range(LANES)]

        # plain loads where they will do: masked ones do not make every CPU read ahead
        values = either(builder, whole, lambda: [load(builder, line) for line in lines], inside)
        last = builder.sub(left, I64(1))
        for k, column in reversed(list(enumerate(transposed(builder, values)))):  # those past the end go first
            store(builder, column, at(builder, target, _place(builder, places, start, k, last)))
        loop.close([])
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(FLOATS, i64, i64, i64, FLOATS, INTS), codegen


@intrinsic(prefer_literal=True)
def turn_out(
    typingctx: Any, add: Any, source: Any, places: Any, count: Any, target: Any, target_stride: Any, rows: Any
) -> Any:
    """target[i * target_stride + k] = source[places[k] + i] for i < rows and k < count; where `add` is 1, += it.

    count is at least 1, rows at most 16; of the source 16 floats a place are read. `add` is a constant.
    """
    (adding,) = literals(add)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, source, places, count, target, target_stride, rows = args
        loop = Loop(builder, vectors_in(builder, count), [])
        start = builder.mul(loop.index, I64(LANES))
        left = builder.sub(count, start)
        last = builder.sub(left, I64(1))
        columns = [load(builder, at(builder, source, _place(builder, places, start, k, last))) for k in range(LANES)]
        corner = at(builder, target, start)
        for i, value in enumerate(transposed(builder, columns)):
            line = at(builder, corner, builder.mul(target_stride, I64(i)))
            mask = lanes_below(builder, builder.select(builder.icmp_signed("<", I64(i), rows), left, I64(0)))
            total = builder.fadd(masked_load(builder, line, mask), value) if adding else value
            masked_store(builder, total, line, mask)
        loop.close([])
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(add, FLOATS, INTS, i64, FLOATS, i64, i64), codegen


def _place(builder: Any, places: Any, start: Any, k: int, last: Any) -> Any:
    """Return places[start + k], or if k is past `last` that of the last one."""
    number = builder.select(builder.icmp_signed("<", I64(k), last), I64(k), last)
    return builder.sext(builder.load(at(builder, places, builder.add(start, number))), I64)


PRODUCT_ROWS: dict[type[Registers], tuple[int, ...]] = {Wide: (12, 12, 8, 6), Narrow: (6,)}  # of tiles 1, 2 ... wide


def product_rows(registers: Registers, vectors: int) -> int:
    """Return how many rows run_product takes at once where there are so many vectors."""
    rows = PRODUCT_ROWS[type(registers)]
    return rows[min(vectors, len(rows)) - 1]


@intrinsic
def product_width(typingctx: Any, registers: Any) -> Any:
    """Return how many vectors the widest tile of products has."""
    widest = len(PRODUCT_ROWS[kind_of(registers)])

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return I64(widest)

    return types.int64(registers), codegen


@intrinsic
def product_tile(
    typingctx: Any,
    registers: Any,
    vectors: Any,
    a: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_stride: Any,
    k: Any,
    c: Any,
    c_stride: Any,
    valid: Any,
    more: Any,
) -> Any:
    """c[i, :] = sum over j < k of a[i * a_row + j * a_step] * b[j * b_stride :][: 16 * vectors] for i < valid.

    Where `more` is not 0 the sum is added to c. k is at least 1, vectors at most product_width(registers), and valid at
    most product_rows(registers, vectors).
    """
    heights = PRODUCT_ROWS[kind_of(registers)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, vectors, *operands = args
        cases = []
        for n_vec in range(len(heights), 0, -1):
            condition = partial(builder.icmp_signed, "==", vectors, I64(n_vec))
            cases.append((condition, partial(_product_tile, builder, heights[n_vec - 1], n_vec, *operands)))
        first_that_holds(builder, cases)
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(registers, i64, FLOATS, i64, i64, FLOATS, i64, i64, FLOATS, i64, i64, i64), codegen


def _product_tile(
    builder: Any,
    n_rows: int,
    n_vec: int,
    a: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_stride: Any,
    k: Any,
    c: Any,
    c_stride: Any,
    valid: Any,
    more: Any,
) -> None:
    """Emit the code of product_tile for one shape."""
    places = row_places(builder, c, c_stride, n_rows, valid)
    factors = row_places(builder, a, a_row, n_rows, valid)
    parts = [at(builder, place, LANES * j) for place in places for j in range(n_vec)]
    loop = Loop(builder, k, [b, I64(0), *[ZERO] * len(parts)])
    row, step = loop.values[:2]
    lanes = [load(builder, at(builder, row, LANES * j)) for j in range(n_vec)]
    new = []
    for i in range(n_rows):
        factor = splat(builder, builder.load(at(builder, factors[i], step)))
        new += [fused(builder, factor, lanes[j], loop.values[2 + i * n_vec + j]) for j in range(n_vec)]
    sums = loop.close([at(builder, row, b_stride), builder.add(step, a_step), *new])[2:]
    # added last: sums of sums round less than one long sum
    adds, pairs = builder.icmp_signed("!=", more, I64(0)), list(zip(sums, parts, strict=True))
    totals = either(builder, adds, lambda: [builder.fadd(v, load(builder, p)) for v, p in pairs], lambda: sums)
    for part, total in zip(parts, totals, strict=True):
        store(builder, total, part)


class Sums:
    """Sums and multiples of vectors."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def add(self, a: Any, b: Any) -> Any:
        """Return a + b."""
        return self.builder.fadd(a, b, flags=("contract",))

    def sub(self, a: Any, b: Any) -> Any:
        """Return a - b."""
        return self.builder.fsub(a, b, flags=("contract",))

    def mul(self, factor: float, a: Any) -> Any:
        """Return factor * a."""
        return self.builder.fmul(a, ir.Constant(VECTOR, [float(factor)] * LANES), flags=("contract",))


def input_line(s: Sums, d: Line) -> Line:
    """Six pixels -> six."""
    a, b = s.sub(d[4], s.mul(4, d[2])), s.sub(d[3], s.mul(4, d[1]))
    c, e = s.sub(d[4], d[2]), s.mul(2, s.sub(d[3], d[1]))
    first = s.add(s.mul(4, d[0]), s.sub(d[4], s.mul(5, d[2])))
    last = s.add(s.mul(4, d[1]), s.sub(d[5], s.mul(5, d[3])))
    return [first, s.add(a, b), s.sub(a, b), s.add(c, e), s.sub(c, e), last]


def output_line(s: Sums, m: Line) -> Line:
    """Six products -> four outputs."""
    p, q, r, t = s.add(m[1], m[2]), s.sub(m[1], m[2]), s.add(m[3], m[4]), s.sub(m[3], m[4])
    return [
        s.add(m[0], s.add(p, r)),
        s.add(q, s.mul(2, t)),
        s.add(p, s.mul(4, r)),
        s.add(s.add(q, s.mul(8, t)), m[5]),
    ]


def weight_line(s: Sums, g: Line) -> Line:
    """Three weights -> six."""
    a, b = s.mul(-1 / 6, s.add(g[0], g[2])), s.mul(1 / 6, g[1])
    c, d = s.add(s.mul(1 / 24, g[0]), s.mul(1 / 6, g[2])), s.mul(1 / 12, g[1])
    return [s.mul(0.25, g[0]), s.sub(a, b), s.add(a, b), s.add(c, d), s.sub(c, d), g[2]]


def output_gradient_line(s: Sums, d: Line) -> Line:
    """Adjoint of output_line: four -> six."""
    even, odd = s.add(d[0], d[2]), s.add(d[1], d[3])
    a, b = s.add(d[0], s.mul(4, d[2])), s.add(s.mul(2, d[1]), s.mul(8, d[3]))
    return [d[0], s.add(even, odd), s.sub(even, odd), s.add(a, b), s.sub(a, b), d[3]]


def weight_gradient_line(s: Sums, u: Line) -> Line:
    """Adjoint of weight_line: six -> three."""
    p, q, r, t = s.add(u[1], u[2]), s.sub(u[2], u[1]), s.add(u[3], u[4]), s.sub(u[3], u[4])
    return [
        s.add(s.mul(0.25, u[0]), s.add(s.mul(-1 / 6, p), s.mul(1 / 24, r))),
        s.add(s.mul(1 / 6, q), s.mul(1 / 12, t)),
        s.add(u[5], s.mul(1 / 6, s.sub(r, p))),
    ]


def _square(builder: Any, line: Callable[[Sums, Line], Line], rows: list[Line]) -> list[Line]:
    """Apply `line` down the columns of a square of vectors, then along the rows."""
    sums = Sums(builder)
    columns = [line(sums, [row[j] for row in rows]) for j in range(len(rows[0]))]
    return [line(sums, [column[i] for column in columns]) for i in range(len(columns[0]))]


def _read(builder: Any, source: Any, size: int, row: Any, column: Any) -> list[Line]:
    """Read a square of vectors, rows and columns so many floats apart."""
    lines = [at(builder, source, builder.mul(row, I64(i))) for i in range(size)]
    return [[load(builder, at(builder, line, builder.mul(column, I64(j)))) for j in range(size)] for line in lines]


def _write(builder: Any, square: list[Line], target: Any, row: Any, column: Any) -> None:
    """Write a square of vectors, rows and columns so many floats apart."""
    for i, values in enumerate(square):
        line = at(builder, target, builder.mul(row, I64(i)))
        for j, value in enumerate(values):
            store(builder, value, at(builder, line, builder.mul(column, I64(j))))


def _transform(line: Callable[[Sums, Line], Line], size: int, builder: Any, places: Any, bias: Any = None) -> None:
    """Read a square of `size` vectors, transform and write it; places are source, row, column and those of the target.

    The vector at `bias` is added to all.
    """
    source, row, column, *target = places
    square = _square(builder, line, _read(builder, source, size, row, column))
    if bias is not None:
        start = load(builder, bias)
        square = [[builder.fadd(value, start) for value in values] for values in square]
    _write(builder, square, *target)


@intrinsic
def input_transform(typingctx: Any, source: Any, pitch: Any, target: Any, step: Any) -> Any:
    """target[e * step] = 6 x 6 transformed pixels e, of 6 x 6 at source: 16 floats each, rows `pitch` floats apart."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, pitch, target, step = args
        places = (source, pitch, I64(LANES), target, builder.mul(step, I64(6)), step)
        _transform(input_line, 6, builder, places)
        return context.get_dummy_value()

    return types.void(FLOATS, types.int64, FLOATS, types.int64), codegen


@intrinsic
def output_transform(typingctx: Any, source: Any, step: Any, bias: Any, target: Any, pitch: Any) -> Any:
    """Write 4 x 4 pixels at target, from 36 products source[e * step], plus the 16 floats at bias to each."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, step, bias, target, pitch = args
        places = (source, builder.mul(step, I64(6)), step, target, pitch, I64(LANES))
        _transform(output_line, 6, builder, places, bias)
        return context.get_dummy_value()

    return types.void(FLOATS, types.int64, FLOATS, FLOATS, types.int64), codegen


@intrinsic
def weight_transform(typingctx: Any, source: Any, target: Any, step: Any) -> Any:
    """target[e * step] = 36 transformed weights, of source[9, 16]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, target, step = args
        places = (source, I64(3 * LANES), I64(LANES), target, builder.mul(step, I64(6)), step)
        _transform(weight_line, 3, builder, places)
        return context.get_dummy_value()

    return types.void(FLOATS, FLOATS, types.int64), codegen


@intrinsic
def output_gradient_transform(typingctx: Any, source: Any, pitch: Any, target: Any, step: Any) -> Any:
    """target[e * step] = adjoint of the output transform, of 4 x 4 pixels at source."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, pitch, target, step = args
        places = (source, pitch, I64(LANES), target, builder.mul(step, I64(6)), step)
        _transform(output_gradient_line, 4, builder, places)
        return context.get_dummy_value()

    return types.void(FLOATS, types.int64, FLOATS, types.int64), codegen


@intrinsic
def weight_gradient_transform(typingctx: Any, source: Any, step: Any, target: Any) -> Any:
    """target[9, 16] = adjoint of the weight transform, of 36 sums source[e * step]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, step, target = args
        places = (source, builder.mul(step, I64(6)), step, target, I64(3 * LANES), I64(LANES))
        _transform(weight_gradient_line, 6, builder, places)
        return context.get_dummy_value()

    return types.void(FLOATS, types.int64, FLOATS), codegen
