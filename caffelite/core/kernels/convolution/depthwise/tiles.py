"""Intrinsics of depthwise 3x3 convolution: strips of 16 columns that go down a plane with three rows in registers.

Borders are masks of the loads: nothing is copied to be padded, nothing outside a plane is touched and rows may have any
length. Masked loads do not make every CPU read ahead, so the line `ahead` floats further on is fetched with each row.
"""

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import fetch_line
from caffelite.core.kernels.ir.operands import operand, unpacked
from caffelite.core.kernels.ir.vectors import (
    FLOATS,
    I32,
    I64,
    INDICES,
    LANES,
    ZERO,
    Loop,
    at,
    fused,
    lane_sums,
    lanes_below,
    literals,
    load,
    masked_load,
    masked_store,
    shuffle,
    splat,
    store,
)

EVEN, ODD = [2 * i for i in range(LANES)], [2 * i + 1 for i in range(LANES)]
ALTERNATING = [i // 2 + (LANES if i % 2 else 0) for i in range(LANES)]  # one lane of each of two vectors in turn


class Plane(NamedTuple):
    """One channel of one sample: a pointer to its first pixel, and its size."""

    data: Any
    height: int
    width: int


class Rows:
    """Rows of a plane from column `first` on, as vectors; what is outside the plane is 0."""

    def __init__(self, builder: Any, plane: Plane, first: Any, columns: tuple[int, ...]) -> None:
        self.builder, self.height, self.width = builder, plane.height, plane.width
        self.start = at(builder, plane.data, first)
        self.masks = {c: _inside(builder, builder.add(first, I64(c)), plane.width) for c in columns}

    def place(self, row: Any) -> Any:
        """Return a pointer to column `first` of row number `row`, which need not exist."""
        return at(self.builder, self.start, self.builder.mul(row, self.width))

    def mask(self, row: Any, column: int) -> Any:
        """Return which of the 16 pixels from first + column on exist in the row."""
        exists = self.builder.icmp_unsigned("<", row, self.height)
        return self.builder.and_(self.masks[column], splat(self.builder, exists))

    def load(self, row: Any, column: int) -> Any:
        """Return the 16 pixels from first + column on."""
        return masked_load(self.builder, at(self.builder, self.place(row), column), self.mask(row, column))

    def store(self, value: Any, row: Any, column: int) -> None:
        """Store the 16 pixels from first + column on, those that exist."""
        masked_store(self.builder, value, at(self.builder, self.place(row), column), self.mask(row, column))


class Taps:
    """What the three taps of a kernel row see of an image row: vectors of 16 pixels, `stride` apart."""

    def __init__(self, builder: Any, stride: int, plane: Plane, pad_w: Any, q: Any, ahead: Any) -> None:
        self.builder, self.stride, self.ahead = builder, stride, ahead
        first = builder.sub(builder.mul(q, I64(stride)), pad_w)
        self.rows = Rows(builder, plane, first, (0, 1, 2) if stride == 1 else (0, LANES, 2, LANES + 2))

    def read(self, row: Any) -> list[Any]:
        """Return the vectors of taps 0, 1, 2 in row number `row`."""
        builder, rows = self.builder, self.rows
        later = at(builder, rows.place(row), self.ahead)
        for line in range(self.stride):
            fetch_line(builder, at(builder, later, LANES * line))
        if self.stride == 1:
            return [rows.load(row, column) for column in range(3)]
        low, high = (rows.load(row, 0), rows.load(row, LANES)), (rows.load(row, 2), rows.load(row, LANES + 2))
        return [shuffle(builder, *low, EVEN), shuffle(builder, *low, ODD), shuffle(builder, *high, EVEN)]

    def before(self, pad_h: Any) -> list[Any]:
        """Return the rows that the first output row shares with none before it, vectors one after the other."""
        first = self.builder.neg(pad_h)
        return [value for i in range(3 - self.stride) for value in self.read(self.builder.add(first, I64(i)))]

    def window(self, pad_h: Any, r: Any, carried: list[Any]) -> list[Any]:
        """Return the nine vectors of output row r, of which those of the rows before are given."""
        first = self.builder.sub(self.builder.mul(r, I64(self.stride)), pad_h)
        new = [value for i in range(3 - self.stride, 3) for value in self.read(self.builder.add(first, I64(i)))]
        return carried + new


def _inside(builder: Any, first: Any, count: Any) -> Any:
    """Mask of the lanes with 0 <= first + lane < count; a negative one is a huge unsigned one."""
    numbers = builder.add(splat(builder, builder.trunc(first, I32)), ir.Constant(INDICES, list(range(LANES))))
    return builder.icmp_unsigned("<", numbers, splat(builder, builder.trunc(count, I32)))


@intrinsic(prefer_literal=True)
def forward_strip(
    typingctx: Any,
    stride: Any,
    bottom: Any,
    pad_h: Any,
    pad_w: Any,
    weight: Any,
    flipped: Any,
    bias: Any,
    top: Any,
    q: Any,
    ahead: Any,
) -> Any:
    """top[:, q : q + 16] = bias + weight * bottom, of one Plane each; weight is a pointer to 9 floats.

    `flipped` is 1 to take the weights in reverse order, else 0. top has a row at least; `stride` is a constant, 1 or 2.
    """
    (by,) = literals(stride)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, bottom, pad_h, pad_w, weight, flipped, bias, top, q, ahead = unpacked(context, builder, signature, args)
        taps = Taps(builder, by, bottom, pad_w, q, ahead)
        step = builder.sub(I64(1), builder.mul(I64(2), flipped))
        start = at(builder, weight, builder.mul(I64(8), flipped))
        weights = [splat(builder, builder.load(at(builder, start, builder.mul(step, I64(t))))) for t in range(9)]
        mask = lanes_below(builder, builder.sub(top.width, q))
        target = at(builder, top.data, q)
        loop = Loop(builder, top.height, taps.before(pad_h))
        window = taps.window(pad_h, loop.index, loop.values)
        total = splat(builder, bias)
        for value, pixels in zip(weights, window, strict=True):
            total = fused(builder, value, pixels, total)
        masked_store(builder, total, at(builder, target, builder.mul(loop.index, top.width)), mask)
        loop.close(window[3 * by :])
        return context.get_dummy_value()

    i64, source, target = types.int64, operand(bottom, Plane), operand(top, Plane)
    return types.void(stride, source, i64, i64, FLOATS, i64, types.float32, target, i64, i64), codegen


@intrinsic(prefer_literal=True)
def weight_strip(
    typingctx: Any, stride: Any, bottom: Any, pad_h: Any, pad_w: Any, top_diff: Any, q: Any, ahead: Any, sums: Any
) -> Any:
    """sums[9, 16] += top_diff[:, q : q + 16] times what each tap sees of bottom, of one Plane each, for a stride."""
    (by,) = literals(stride)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, bottom, pad_h, pad_w, top_diff, q, ahead, sums = unpacked(context, builder, signature, args)
        taps = Taps(builder, by, bottom, pad_w, q, ahead)
        mask = lanes_below(builder, builder.sub(top_diff.width, q))
        source = at(builder, top_diff.data, q)
        before, totals = taps.before(pad_h), [load(builder, at(builder, sums, LANES * t)) for t in range(9)]
        loop = Loop(builder, top_diff.height, [*before, *totals])
        window = taps.window(pad_h, loop.index, loop.values[: len(before)])
        place = at(builder, source, builder.mul(loop.index, top_diff.width))
        fetch_line(builder, at(builder, place, builder.sdiv(ahead, I64(by * by))))
        diff = masked_load(builder, place, mask)
        pairs = zip(window, loop.values[len(before) :], strict=True)
        totals = [fused(builder, diff, pixels, total) for pixels, total in pairs]
        totals = loop.close([*window[3 * by :], *totals])[len(before) :]
        for t in range(9):
            store(builder, totals[t], at(builder, sums, LANES * t))
        return context.get_dummy_value()

    i64, source, diffs = types.int64, operand(bottom, Plane), operand(top_diff, Plane)
    return types.void(stride, source, i64, i64, diffs, i64, i64, FLOATS), codegen


@intrinsic
def spread_strip(
    typingctx: Any, top_diff: Any, weight: Any, bottom_diff: Any, pad_h: Any, pad_w: Any, q: Any, ahead: Any
) -> Any:
    """Bottom gradient of stride 2 and pad 0 or 1: overwrite columns 2 q + 1 - pad_w and the 31 after it of bottom_diff.

    Shapes as in forward_strip. The middle row of the kernel at top row r is bottom row 2 r + 1 - pad_h, which sees no
    other; the row after it sees the last kernel row at r and the first at r + 1. Likewise columns: so each two by two
    pixels of the bottom see 1, 2, 2 and 4 taps.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        top_diff, weight, bottom_diff, pad_h, pad_w, q, ahead = unpacked(context, builder, signature, args)
        taps = [splat(builder, builder.load(at(builder, weight, t))) for t in range(9)]
        source = Rows(builder, top_diff, q, (0, 1))
        left = builder.sub(builder.add(builder.mul(q, I64(2)), I64(1)), pad_w)
        target = Rows(builder, bottom_diff, left, (0, LANES))
        first = builder.sub(pad_h, I64(1))  # without padding bottom row 0 comes after the middle of top row -1
        last = builder.ashr(builder.add(bottom_diff.height, builder.sub(pad_h, I64(2))), I64(1))
        count = builder.add(builder.sub(last, first), I64(1))
        loop = Loop(builder, count, [source.load(first, column) for column in (0, 1)])
        r = builder.add(first, loop.index)
        below = builder.add(r, I64(1))
        fetch_line(builder, at(builder, source.place(below), ahead))
        here, after = loop.values, [source.load(below, column) for column in (0, 1)]
        row = builder.sub(builder.add(builder.mul(r, I64(2)), I64(1)), pad_h)

        def total(*pairs: tuple[int, Any]) -> Any:
            value = ZERO
            for tap, diff in pairs:
                value = fused(builder, taps[tap], diff, value)
            return value

        _store_both(target, row, total((4, here[0])), total((5, here[0]), (3, here[1])))
        one = total((7, here[0]), (1, after[0]))
        four = total((8, here[0]), (6, here[1]), (2, after[0]), (0, after[1]))
        _store_both(target, builder.add(row, I64(1)), one, four)
        loop.close(after)
        return context.get_dummy_value()

    i64, diffs, target = types.int64, operand(top_diff, Plane), operand(bottom_diff, Plane)
    return types.void(diffs, FLOATS, target, i64, i64, i64, i64), codegen


def _store_both(target: Rows, row: Any, even: Any, odd: Any) -> None:
    """Store two vectors whose pixels take turns."""
    target.store(shuffle(target.builder, even, odd, ALTERNATING), row, 0)
    target.store(shuffle(target.builder, even, odd, [LANES // 2 + lane for lane in ALTERNATING]), row, LANES)


@intrinsic
def add_lanes(typingctx: Any, sums: Any, weight_diff: Any) -> Any:
    """weight_diff[t] += sum of sums[t, 16] for the nine taps."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sums, weight_diff = args
        total = lane_sums(builder, [load(builder, at(builder, sums, LANES * t)) for t in range(9)])
        mask = lanes_below(builder, I64(9))
        masked_store(builder, builder.fadd(masked_load(builder, weight_diff, mask), total), weight_diff, mask)
        return context.get_dummy_value()

    return types.void(FLOATS, FLOATS), codegen
