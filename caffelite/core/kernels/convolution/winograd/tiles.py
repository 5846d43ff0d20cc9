"""Intrinsics of Winograd's F(4x4, 3x3): 16 channels at once are transformed.

Lanes are channels: pixels are first brought to runs of 16 channels by transposing in registers (to_lanes), and results
back (from_lanes): see ir/transposes.py. So transforms are plain sums of vectors, and products need no packing: of a
tile of 4 x 4 outputs each of the 36 transformed pixels is one row of a matrix (tiles x channels).

Transforms are those of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), with points
0, 1, -1, 2, -2; gradients take the transposed matrices.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.vectors import (
    FLOATS,
    I64,
    LANES,
    VECTOR,
    at,
    fused,
    load,
    store,
)

Line = list[Any]  # vectors of one row or column of a square


class Sums:
    """Sums and multiples of vectors."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def add(self, a: Any, b: Any) -> Any:
        """Return a + b."""
        return self.builder.fadd(a, b)

    def sub(self, a: Any, b: Any) -> Any:
        """Return a - b."""
        return self.builder.fsub(a, b)

    def mul(self, factor: float, a: Any) -> Any:
        """Return factor * a."""
        return self.builder.fmul(a, _constant(factor))

    def fma(self, factor: float, a: Any, b: Any) -> Any:
        """Return factor * a + b, rounded once."""
        return fused(self.builder, a, _constant(factor), b)


def _constant(factor: float) -> Any:
    return ir.Constant(VECTOR, [float(factor)] * LANES)


def input_line(s: Sums, d: Line) -> Line:
    """Six pixels -> six."""
    a, b = s.fma(-4, d[2], d[4]), s.fma(-4, d[1], d[3])
    c, e = s.sub(d[4], d[2]), s.sub(d[3], d[1])
    first = s.fma(4, d[0], s.fma(-5, d[2], d[4]))
    last = s.fma(4, d[1], s.fma(-5, d[3], d[5]))
    return [first, s.add(a, b), s.sub(a, b), s.fma(2, e, c), s.fma(-2, e, c), last]


def output_line(s: Sums, m: Line) -> Line:
    """Six products -> four outputs."""
    p, q, r, t = s.add(m[1], m[2]), s.sub(m[1], m[2]), s.add(m[3], m[4]), s.sub(m[3], m[4])
    return [
        s.add(m[0], s.add(p, r)),
        s.fma(2, t, q),
        s.fma(4, r, p),
        s.add(s.fma(8, t, q), m[5]),
    ]


def weight_line(s: Sums, g: Line) -> Line:
    """Three weights -> six."""
    a, b = s.mul(-1 / 6, s.add(g[0], g[2])), g[1]
    c = s.fma(1 / 24, g[0], s.mul(1 / 6, g[2]))
    return [
        s.mul(0.25, g[0]),
        s.fma(-1 / 6, b, a),
        s.fma(1 / 6, b, a),
        s.fma(1 / 12, b, c),
        s.fma(-1 / 12, b, c),
        g[2],
    ]


def output_gradient_line(s: Sums, d: Line) -> Line:
    """Adjoint of output_line: four -> six."""
    even, odd = s.add(d[0], d[2]), s.add(d[1], d[3])
    a, b = s.fma(4, d[2], d[0]), s.fma(4, d[3], d[1])  # the odd part is 2 * b
    return [d[0], s.add(even, odd), s.sub(even, odd), s.fma(2, b, a), s.fma(-2, b, a), d[3]]


def weight_gradient_line(s: Sums, u: Line) -> Line:
    """Adjoint of weight_line: six -> three."""
    p, q, r, t = s.add(u[1], u[2]), s.sub(u[2], u[1]), s.add(u[3], u[4]), s.sub(u[3], u[4])
    return [
        s.fma(0.25, u[0], s.fma(-1 / 6, p, s.mul(1 / 24, r))),
        s.fma(1 / 6, q, s.mul(1 / 12, t)),
        s.fma(1 / 6, s.sub(r, p), u[5]),
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
