"""Sixteen pooling windows at once, as numba intrinsics; float32 and float64.

In a plain loop numba turns `a if t else b` on data into a branch, which mispredicts every second time; here it is a
select. Padding and ragged ends are masks of the loads: no memory outside the image is read and nothing is copied.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import fetch_line
from caffelite.core.kernels.ir.vectors import (
    I32,
    I64,
    INDICES,
    LANES,
    CheckedLoop,
    at,
    lanes_below,
    literals,
    masked_load,
    masked_store,
    shuffle,
    splat,
)

WINDOWS = LANES
LOWEST = -3.4028234663852886e38  # -FLT_MAX, in float64 nets too, so that results equal Caffe's


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
    (by,) = literals(step)
    value_type = line.dtype

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, stride, line, rows, width, kernel_w, first, number, best, place, count = args
        vector = ir.VectorType(context.get_value_type(value_type), WINDOWS)
        lowest = ir.Constant(vector, [LOWEST] * WINDOWS)
        taps = _Taps(builder, vector, by, stride, width, first)
        numbers = builder.add(splat(builder, builder.add(number, first)), taps.offsets)
        outer = CheckedLoop(
            builder, builder.sext(rows, I64), [line, numbers, lowest, ir.Constant(INDICES, [-1] * WINDOWS)]
        )
        inner = CheckedLoop(builder, builder.sext(kernel_w, I64), outer.values[1:])
        numbers, value, where = inner.values
        pixel = taps.load(outer.values[0], inner.index, lowest)
        take = builder.fcmp_ordered(">", pixel, value)
        one = ir.Constant(INDICES, [1] * WINDOWS)
        inner.close(
            [builder.add(numbers, one), builder.select(take, pixel, value), builder.select(take, numbers, where)]
        )
        following = builder.add(outer.values[1], splat(builder, width))
        outer.close([_moved(builder, outer.values[0], width), following, *inner.values[1:]])
        mask = lanes_below(builder, count)
        masked_store(builder, outer.values[2], best, mask)
        masked_store(builder, outer.values[3], place, mask)
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
    (by,) = literals(step)
    value_type = line.dtype

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, stride, line, rows, width, kernel_w, first, area_h, limit, mean, count = args
        vector = ir.VectorType(context.get_value_type(value_type), WINDOWS)
        zero = ir.Constant(vector, [0.0] * WINDOWS)
        taps = _Taps(builder, vector, by, stride, width, first)
        outer = CheckedLoop(builder, builder.sext(rows, I64), [line, zero])
        inner = CheckedLoop(builder, builder.sext(kernel_w, I64), outer.values[1:])
        inner.close([builder.fadd(inner.values[0], taps.load(outer.values[0], inner.index, zero))])
        outer.close([_moved(builder, outer.values[0], width), *inner.values])
        cols = builder.sub(splat(builder, builder.sub(limit, first)), taps.offsets)
        widest = splat(builder, kernel_w)
        cols = builder.select(builder.icmp_signed("<", cols, widest), cols, widest)
        area = builder.mul(cols, splat(builder, area_h))
        quotient = builder.fdiv(outer.values[1], builder.sitofp(area, vector))
        filled = builder.icmp_signed(">", area, ir.Constant(INDICES, [0] * WINDOWS))
        masked_store(builder, builder.select(filled, quotient, zero), mean, lanes_below(builder, count))
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
        per_line = 8 if signature.args[0].dtype == types.float64 else 16
        lines = builder.udiv(builder.add(args[1], I32(per_line - 1)), I32(per_line))
        loop = CheckedLoop(builder, builder.sext(lines, I64), [])
        fetch_line(builder, at(builder, start, builder.mul(loop.index, I64(64))))
        loop.close([])
        return context.get_dummy_value()

    return types.void(address, types.int32), codegen


class _Taps:
    """Loads of one pixel for each of 16 windows that begin `stride` columns apart, the first at column `first`."""

    def __init__(self, builder: Any, vector: Any, step: int, stride: Any, width: Any, first: Any) -> None:
        self.builder, self.vector, self.step, self.first, self.width = builder, vector, step, first, width
        lanes = ir.Constant(INDICES, list(range(WINDOWS)))
        self.offsets = builder.mul(lanes, splat(builder, stride))

    def load(self, line: Any, tap: Any, outside: Any) -> Any:
        """Return pixel first + tap + stride * i of `line` in lane i, or `outside` where there is none."""
        column = self.builder.add(self.first, self.builder.trunc(tap, I32))
        if self.step == 1:
            return self._run(line, column, outside)
        if self.step == 2:
            low = self._run(line, column, outside)
            high = self._run(line, self.builder.add(column, I32(WINDOWS)), outside)
            return shuffle(self.builder, low, high, [2 * i for i in range(WINDOWS)])
        return self._one_by_one(line, column, outside)

    def _run(self, line: Any, column: Any, outside: Any) -> Any:
        """Return sixteen pixels in a row."""
        builder = self.builder
        columns = builder.add(splat(builder, column), ir.Constant(INDICES, list(range(WINDOWS))))
        inside = builder.icmp_unsigned("<", columns, splat(builder, self.width))  # a negative column is a huge one
        return masked_load(builder, _moved(builder, line, column), inside, outside)

    def _one_by_one(self, line: Any, column: Any, outside: Any) -> Any:
        builder = self.builder
        columns = builder.add(splat(builder, column), self.offsets)
        inside = builder.icmp_unsigned("<", columns, splat(builder, self.width))
        columns = builder.select(inside, columns, ir.Constant(INDICES, [0] * WINDOWS))
        pixels = ir.Constant(self.vector, ir.Undefined)
        for i in range(WINDOWS):
            pixel = builder.load(_moved(builder, line, builder.extract_element(columns, I32(i))))
            pixels = builder.insert_element(pixels, pixel, I32(i))
        return builder.select(inside, pixels, outside)


def _moved(builder: Any, ptr: Any, offset: Any) -> Any:
    return at(builder, ptr, builder.sext(offset, I64))
