"""Intrinsics that transpose in registers: planes to runs of 16 channels, so that lanes are channels, and back.

Pointers and strides are those of single floats; nothing but what the docstrings name is read or written.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import either
from caffelite.core.kernels.ir.vectors import (
    FLOATS,
    I64,
    INTS,
    LANES,
    Loop,
    at,
    lanes_below,
    literals,
    load,
    masked_load,
    masked_store,
    store,
    transposed,
    vectors_in,
)


@intrinsic
def to_lanes(typingctx: Any, source: Any, source_stride: Any, rows: Any, count: Any, target: Any, places: Any) -> Any:
    """target[places[k] + i] = source[i * source_stride + k] for i < rows, 0 for other i < 16; k < count.

    count is at least 1, rows at most 16. Example: `source` is 16 planes of an image and places[k] 16 * k, then 16
    channels of each pixel come to stand side by side.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, source_stride, rows, count, target, places = args
        loop = Loop(builder, vectors_in(builder, count), [])
        start = builder.mul(loop.index, I64(LANES))
        left = builder.sub(count, start)
        # plain loads where they will do: masked ones do not make every CPU read ahead
        whole = builder.and_(builder.icmp_signed(">=", left, I64(LANES)), builder.icmp_signed("==", rows, I64(LANES)))
        lines = _lines(builder, at(builder, source, start), source_stride)

        def inside() -> list[Any]:
            return _load_inside(builder, lines, rows, left)

        values = either(builder, whole, lambda: [load(builder, line) for line in lines], inside)
        last = builder.sub(left, I64(1))
        for k, column in reversed(list(enumerate(transposed(builder, values)))):  # those past the end go first
            store(builder, column, at(builder, target, _place(builder, places, start, k, last)))
        loop.close([])
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(FLOATS, i64, i64, i64, FLOATS, INTS), codegen


@intrinsic
def to_some_lanes(
    typingctx: Any, source: Any, source_stride: Any, rows: Any, count: Any, target: Any, places: Any, width: Any
) -> Any:
    """Do what to_lanes does for i < width only, at most 16: runs of the target may be as short as that."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, source_stride, rows, count, target, places, width = args
        loop = Loop(builder, vectors_in(builder, count), [])
        start = builder.mul(loop.index, I64(LANES))
        left = builder.sub(count, start)
        lines = _lines(builder, at(builder, source, start), source_stride)
        last = builder.sub(left, I64(1))
        for k, column in enumerate(transposed(builder, _load_inside(builder, lines, rows, left))):
            place = _place(builder, places, start, k, last)
            mask = lanes_below(builder, builder.select(builder.icmp_signed("<", I64(k), left), width, I64(0)))
            masked_store(builder, column, at(builder, target, place), mask)
        loop.close([])
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(FLOATS, i64, i64, i64, FLOATS, INTS, i64), codegen


@intrinsic(prefer_literal=True)
def from_lanes(
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


def _lines(builder: Any, corner: Any, stride: Any) -> list[Any]:
    """Return pointers to 16 rows."""
    return [at(builder, corner, builder.mul(stride, I64(i))) for i in range(LANES)]


def _load_inside(builder: Any, lines: list[Any], rows: Any, left: Any) -> list[Any]:
    """Load the first `left` floats of the first `rows` lines; the others are 0."""
    limits = [builder.select(builder.icmp_signed("<", I64(i), rows), left, I64(0)) for i in range(LANES)]
    return [masked_load(builder, lines[i], lanes_below(builder, limits[i])) for i in range(LANES)]


def _place(builder: Any, places: Any, start: Any, k: int, last: Any) -> Any:
    """Return places[start + k], or if k is past `last` that of the last one."""
    number = builder.select(builder.icmp_signed("<", I64(k), last), I64(k), last)
    return builder.sext(builder.load(at(builder, places, builder.add(start, number))), I64)
