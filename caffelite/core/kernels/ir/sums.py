"""Sums along a line of an array, in one fixed order: equal to the bit on every CPU, compiled anew or loaded from disk.

Left to the compiler, the order differs from one compiled copy of a kernel to the next. Here four vectors of 32 bytes
(8 float32 or 4 float64 each) take turns; they are added in pairs, then whole vectors are added to the result, then
the lanes of the last, partial one, and the halves, quarters, ... of that vector at the end. Products are fused
multiply-adds. All functions sum over i in range(at, at + count) in the arrays' own number type, float32 or float64;
arrays are C-contiguous and indexed flat; a sum of no elements is 0.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import errors, types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.vectors import (
    I64,
    CheckedLoop,
    at,
    fused,
    lanes_below,
    load,
    masked_load,
    shuffle,
    splat,
)

VECTORS = 4  # so many additions are under way at once: one takes four cycles
BYTES = 32  # of a vector; 64 leave more of a short line to single vectors, and many loads cross two cache lines

Step = Callable[..., Any]  # (builder, total, x[, y][, centre]) -> total with the elements' terms added


@intrinsic
def sum_values(typingctx: Any, x: Any, at: Any, count: Any) -> Any:
    """Return the sum of x[i]."""
    return _line_sum([x], False, lambda builder, total, x: builder.fadd(total, x))


@intrinsic
def sum_sizes(typingctx: Any, x: Any, at: Any, count: Any) -> Any:
    """Return the sum of |x[i]|."""

    def step(builder: Any, total: Any, x: Any) -> Any:
        negative = builder.fcmp_ordered("<", x, ir.Constant(x.type, [0.0] * x.type.count))
        return builder.fadd(total, builder.select(negative, builder.fneg(x), x))

    return _line_sum([x], False, step)


@intrinsic
def sum_squares(typingctx: Any, x: Any, at: Any, count: Any) -> Any:
    """Return the sum of x[i] * x[i]."""
    return _line_sum([x], False, lambda builder, total, x: fused(builder, x, x, total))


@intrinsic
def sum_products(typingctx: Any, x: Any, y: Any, at: Any, count: Any) -> Any:
    """Return the sum of x[i] * y[i]."""
    return _line_sum([x, y], False, lambda builder, total, x, y: fused(builder, x, y, total))


@intrinsic
def sum_centred(typingctx: Any, x: Any, at: Any, count: Any, centre: Any) -> Any:
    """Return the sum of x[i] - centre."""
    return _line_sum([x], True, lambda builder, total, x, centre: builder.fadd(total, builder.fsub(x, centre)))


@intrinsic
def sum_centred_squares(typingctx: Any, x: Any, at: Any, count: Any, centre: Any) -> Any:
    """Return the sum of (x[i] - centre) ** 2."""

    def step(builder: Any, total: Any, x: Any, centre: Any) -> Any:
        difference = builder.fsub(x, centre)
        return fused(builder, difference, difference, total)

    return _line_sum([x], True, step)


@intrinsic
def sum_centred_products(typingctx: Any, x: Any, y: Any, at: Any, count: Any, centre: Any) -> Any:
    """Return the sum of (x[i] - centre) * y[i]."""
    return _line_sum(
        [x, y], True, lambda builder, total, x, y, centre: fused(builder, builder.fsub(x, centre), y, total)
    )


def _line_sum(arrays: Sequence[Any], centred: bool, step: Step) -> Any:
    """Return the signature and the code of an intrinsic of (*arrays, at, count), and `centre` if `centred`."""
    number = arrays[0].dtype
    if any(array.layout != "C" or array.dtype != number for array in arrays):
        raise errors.TypingError("the arrays of a sum must be C-contiguous and of one number type")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        offset, count = args[len(arrays) : len(arrays) + 2]
        lines = [
            at(builder, context.make_array(kind)(context, builder, value).data, offset)
            for kind, value in zip(signature.args, args, strict=True)
            if isinstance(kind, types.Array)
        ]
        lanes = BYTES * 8 // number.bitwidth
        centre = [splat(builder, args[-1], lanes)] if centred else []

        def terms(builder: Any, total: Any, *values: Any) -> Any:
            return step(builder, total, *values, *centre)

        return _sum_lanes(builder, terms, lines, count, lanes)

    return number(*arrays, types.int64, types.int64, *([number] if centred else [])), codegen


def _sum_lanes(builder: Any, step: Step, lines: Sequence[Any], count: Any, lanes: int) -> Any:
    """Write the loops, and return the sum."""
    zero = ir.Constant(ir.VectorType(lines[0].type.pointee, lanes), [0.0] * lanes)
    block = I64(VECTORS * lanes)
    blocks = builder.sdiv(count, block)
    loop = CheckedLoop(builder, blocks, [zero] * VECTORS)
    first = builder.mul(loop.index, block)
    places = [builder.add(first, I64(i * lanes)) for i in range(VECTORS)]
    loop.close([_step_at(builder, step, total, lines, i) for total, i in zip(loop.values, places, strict=True)])
    pairs = [builder.fadd(loop.values[i], loop.values[i + 1]) for i in range(0, VECTORS, 2)]
    done = builder.mul(blocks, block)
    vectors = builder.sdiv(builder.sub(count, done), I64(lanes))
    rest = CheckedLoop(builder, vectors, [builder.fadd(*pairs)])
    place = builder.add(done, builder.mul(rest.index, I64(lanes)))
    rest.close([_step_at(builder, step, rest.values[0], lines, place)])
    total, done = rest.values[0], builder.add(done, builder.mul(vectors, I64(lanes)))
    mask = lanes_below(builder, builder.sub(count, done), lanes)
    values = [masked_load(builder, at(builder, line, done), mask) for line in lines]
    total = builder.select(mask, step(builder, total, *values), total)
    half = lanes
    while half > 1:
        half //= 2
        total = builder.fadd(total, shuffle(builder, total, total, [lane ^ half for lane in range(lanes)]))
    return builder.extract_element(total, ir.IntType(32)(0))


def _step_at(builder: Any, step: Step, total: Any, lines: Sequence[Any], place: Any) -> Any:
    lanes = total.type.count
    return step(builder, total, *(load(builder, at(builder, line, place), lanes) for line in lines))
