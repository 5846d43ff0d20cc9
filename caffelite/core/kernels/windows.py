"""Sixteen pooling windows at once, as numba intrinsics; float32 and float64.

In a plain loop numba turns `a if t else b` on data into a branch, which mispredicts every second time; here it is a
select. Padding and ragged ends are masks of the loads: no memory outside the image is read and nothing is copied.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic

WINDOWS = 16
LOWEST = -3.4028234663852886e38  # -FLT_MAX, in float64 nets too, so that results equal Caffe's

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
INTS = ir.VectorType(I32, WINDOWS)
MASK = ir.VectorType(I1, WINDOWS)
LANE = list(range(WINDOWS))


@intrinsic(prefer_literal=True)
def max_windows(
    typingctx: Any,
    step: Any,
    stride: Any,
    line: Any,
    rows: Any,
    width: Any,
    kernel_w: Any,
    first: Any,
    number: Any,
    best: Any,
    place: Any,
    count: Any,
) -> Any:
    """For `count` <= 16 windows of one row of windows: best[i] is the largest pixel and place[i] its number.

    `line` is column 0 of the first of `rows` image lines, each `width` long, and `number` the number of that pixel.
    Window i begins at column first + i * stride, which may be outside the image; `step` is the stride as a constant if
    it is 1 or 2, else 0. Of equal pixels the first wins, NaN never does; a window without a pixel above LOWEST gives
    LOWEST and -1.
    """
    by = _literal(step)
    value_type = line.dtype

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, stride, line, rows, width, kernel_w, first, number, best, place, count = args
        vector = ir.VectorType(context.get_value_type(value_type), WINDOWS)
        lowest = ir.Constant(vector, [LOWEST] * WINDOWS)
        taps = _Taps(builder, vector, by, stride, width, first)
        numbers = builder.add(_splat(builder, builder.add(number, first)), taps.offsets)
        outer = _Loop(builder, rows, [line, numbers, lowest, ir.Constant(INTS, [-1] * WINDOWS)])
        inner = _Loop(builder, kernel_w, outer.values[1:])
        numbers, value, where = inner.values
        pixel = taps.load(outer.values[0], inner.index, lowest)
        take = builder.fcmp_ordered(">", pixel, value)
        one = ir.Constant(INTS, [1] * WINDOWS)
        inner.close(
            [builder.add(numbers, one), builder.select(take, pixel, value), builder.select(take, numbers, where)]
        )
        following = builder.add(outer.values[1], _splat(builder, width))
        outer.close([_moved(builder, outer.values[0], width), following, *inner.values[1:]])
        mask = _first_lanes(builder, count)
        _store(builder, outer.values[2], best, mask)
        _store(builder, outer.values[3], place, mask)
        return context.get_dummy_value()

    ints, floats = types.int32, types.CPointer(value_type)
    operands = (ints, floats, ints, ints, ints, ints, ints, floats, types.CPointer(ints), ints)
    return types.void(step, *operands), codegen


@intrinsic(prefer_literal=True)
def mean_windows(
    typingctx: Any,
    step: Any,
    stride: Any,
    line: Any,
    rows: Any,
    width: Any,
    kernel_w: Any,
    first: Any,
    area_h: Any,
    limit: Any,
    mean: Any,
    count: Any,
) -> Any:
    """For `count` <= 16 windows of one row of windows: mean[i] is the sum of its pixels over its area.

    The area is area_h times the columns from the window's first one up to `limit` (exclusive), kernel_w at most; where
    that is not positive the mean is 0. The other arguments are those of max_windows.
    """
    by = _literal(step)
    value_type = line.dtype

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, stride, line, rows, width, kernel_w, first, area_h, limit, mean, count = args
        vector = ir.VectorType(context.get_value_type(value_type), WINDOWS)
        zero = ir.Constant(vector, [0.0] * WINDOWS)
        taps = _Taps(builder, vector, by, stride, width, first)
        outer = _Loop(builder, rows, [line, zero])
        inner = _Loop(builder, kernel_w, outer.values[1:])
        inner.close([builder.fadd(inner.values[0], taps.load(outer.values[0], inner.index, zero))])
        outer.close([_moved(builder, outer.values[0], width), *inner.values])
        cols = builder.sub(_splat(builder, builder.sub(limit, first)), taps.offsets)
        widest = _splat(builder, kernel_w)
        cols = builder.select(builder.icmp_signed("<", cols, widest), cols, widest)
        area = builder.mul(cols, _splat(builder, area_h))
        quotient = builder.fdiv(outer.values[1], builder.sitofp(area, vector))
        filled = builder.icmp_signed(">", area, ir.Constant(INTS, [0] * WINDOWS))
        _store(builder, builder.select(filled, quotient, zero), mean, _first_lanes(builder, count))
        return context.get_dummy_value()

    ints, floats = types.int32, types.CPointer(value_type)
    operands = (ints, floats, ints, ints, ints, ints, ints, ints, floats, ints)
    return types.void(step, *operands), codegen


@intrinsic
def fetch(typingctx: Any, address: Any, count: Any) -> Any:
    """Ask for the cache lines of `count` values from `address` on, which need not exist.

    Masked loads do not make every CPU read ahead.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = builder.bitcast(args[0], ir.IntType(8).as_pointer())
        bytes_each = _size(context.get_value_type(signature.args[0].dtype))
        lines = builder.udiv(builder.add(args[1], I32(64 // bytes_each - 1)), I32(64 // bytes_each))
        loop = _Loop(builder, lines, [])
        kind = ir.FunctionType(ir.VoidType(), [start.type, I32, I32, I32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(prefetch, [builder.gep(start, [builder.mul(loop.index, I64(64))]), I32(0), I32(3), I32(1)])
        loop.close([])
        return context.get_dummy_value()

    return types.void(address, types.int32), codegen


class _Taps:
    """Loads of one pixel for each of 16 windows that begin `stride` columns apart, the first at column `first`."""

    def __init__(self, builder: Any, vector: Any, step: int, stride: Any, width: Any, first: Any) -> None:
        self.builder, self.vector, self.step, self.first, self.width = builder, vector, step, first, width
        lanes = ir.Constant(INTS, LANE)
        self.offsets = builder.mul(lanes, _splat(builder, stride))

    def load(self, line: Any, tap: Any, outside: Any) -> Any:
        """Return pixel first + tap + stride * i of `line` in lane i, or `outside` where there is none."""
        column = self.builder.add(self.first, self.builder.trunc(tap, I32))
        if self.step == 1:
            return self._run(line, column, outside)
        if self.step == 2:
            halves = (self._run(line, self.builder.add(column, I32(at)), outside) for at in (0, WINDOWS))
            return self.builder.shuffle_vector(*halves, ir.Constant(INTS, [2 * i for i in LANE]))
        return self._one_by_one(line, column, outside)

    def _run(self, line: Any, column: Any, outside: Any) -> Any:
        """Return sixteen pixels in a row."""
        builder = self.builder
        columns = builder.add(_splat(builder, column), ir.Constant(INTS, LANE))
        inside = builder.icmp_unsigned("<", columns, _splat(builder, self.width))  # a negative column is a huge one
        address = builder.bitcast(_moved(builder, line, column), self.vector.as_pointer())
        kind = ir.FunctionType(self.vector, [address.type, I32, MASK, self.vector])
        load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.{_suffix(self.vector)}.p0")
        return builder.call(load, [address, I32(_size(self.vector.element)), inside, outside])

    def _one_by_one(self, line: Any, column: Any, outside: Any) -> Any:
        builder = self.builder
        columns = builder.add(_splat(builder, column), self.offsets)
        inside = builder.icmp_unsigned("<", columns, _splat(builder, self.width))
        columns = builder.select(inside, columns, ir.Constant(INTS, [0] * WINDOWS))
        pixels = ir.Constant(self.vector, ir.Undefined)
        for i in LANE:
            pixel = builder.load(_moved(builder, line, builder.extract_element(columns, I32(i))))
            pixels = builder.insert_element(pixels, pixel, I32(i))
        return builder.select(inside, pixels, outside)


class _Loop:
    """for index in range(count), carrying `values` from one pass to the next; after `close` they hold the last ones."""

    def __init__(self, builder: Any, count: Any, carried: list[Any]) -> None:
        self.builder = builder
        before = builder.block
        self.head = builder.append_basic_block("head")
        body, self.after = builder.append_basic_block("body"), builder.append_basic_block("after")
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self.phis = [builder.phi(value.type) for value in (I64(0), *carried)]
        for phi, value in zip(self.phis, (I64(0), *carried), strict=True):
            phi.add_incoming(value, before)
        self.index, self.values = self.phis[0], self.phis[1:]
        more = builder.icmp_signed("<", self.index, builder.sext(count, I64))
        builder.cbranch(more, body, self.after)
        builder.position_at_end(body)

    def close(self, new: list[Any]) -> None:
        """End the body, handing `new` to the next pass."""
        following = self.builder.add(self.index, I64(1))
        for phi, value in zip(self.phis, (following, *new), strict=True):
            phi.add_incoming(value, self.builder.block)
        self.builder.branch(self.head)
        self.builder.position_at_end(self.after)


def _literal(arg: Any) -> int:
    if not isinstance(arg, types.Literal):
        raise RequireLiteralValue("the step between windows must be a constant")
    return int(arg.literal_value)


def _size(element: Any) -> int:
    """Bytes of one float, double or int."""
    return 8 if isinstance(element, ir.DoubleType) else 4


def _suffix(vector: Any) -> str:
    """LLVM's name of a vector type in the names of its intrinsics."""
    kind = {ir.DoubleType(): "f64", ir.FloatType(): "f32", I32: "i32"}[vector.element]
    return f"v{vector.count}{kind}"


def _splat(builder: Any, scalar: Any) -> Any:
    one = builder.insert_element(ir.Constant(INTS, ir.Undefined), scalar, I32(0))
    return builder.shuffle_vector(one, one, ir.Constant(INTS, [0] * WINDOWS))


def _first_lanes(builder: Any, count: Any) -> Any:
    """Mask of the lanes < count."""
    return builder.icmp_signed("<", ir.Constant(INTS, LANE), _splat(builder, count))


def _moved(builder: Any, address: Any, offset: Any) -> Any:
    return builder.gep(address, [builder.sext(offset, I64)])


def _store(builder: Any, value: Any, address: Any, mask: Any) -> None:
    place = builder.bitcast(address, value.type.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [value.type, place.type, I32, MASK])
    store = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.{_suffix(value.type)}.p0")
    builder.call(store, [value, place, I32(_size(value.type.element)), mask])
