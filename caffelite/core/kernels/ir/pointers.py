"""Intrinsics that move floats: pointers into arrays, masked copies of rows.

All take pointers: an array handed from kernel to kernel costs atomic reference counts, and workers that share the array
fight over one cache line (some 50 ns a call). Reads and writes stay inside what the docstrings name, so they are safe
at the ends of users' arrays.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.vectors import (
    FLOATS,
    I32,
    I64,
    INDICES,
    LANES,
    MASK,
    ZERO,
    Loop,
    at,
    lanes_below,
    literals,
    load,
    masked_load,
    masked_store,
    shuffle,
    splat,
    vectors_in,
)


@intrinsic
def pointer(typingctx: Any, array: Any, offset: Any) -> Any:
    """&array.flat[offset] of a C-contiguous array."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return at(builder, data, args[1])

    return types.CPointer(array.dtype)(array, types.int64), codegen


@intrinsic
def shift(typingctx: Any, ptr: Any, offset: Any) -> Any:
    """Pointer to the element `offset` behind."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return at(builder, args[0], args[1])

    return ptr(ptr, types.int64), codegen


@intrinsic
def own_code(typingctx: Any) -> Any:
    """Keep LLVM from copying the calling kernel into its callers, and from unrolling its loops: compiling takes half.

    Every kernel that calls another, directly or not, is compiled with it anew. The register tiles are unrolled already.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        builder.function.attributes.add("optsize")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic(prefer_literal=True)
def copy_rows(
    typingctx: Any,
    step: Any,
    source: Any,
    source_stride: Any,
    target: Any,
    target_stride: Any,
    first: Any,
    last: Any,
    count: Any,
    rows: Any,
) -> Any:
    """target[r, i] = source[r, i * step] for first <= i < last, 0 for other i < count; r < rows.

    count and rows are at least 1, step is a constant. Nothing else is read or written.
    """
    (by,) = literals(step)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, source, source_stride, target, target_stride, first, last, count, rows = args
        across = Loop(builder, vectors_in(builder, count), [])
        place = builder.mul(across.index, I64(LANES))
        masks = _every(builder, by, builder.sub(first, place), builder.sub(last, place))
        inside = lanes_below(builder, builder.sub(count, place))
        down = Loop(builder, rows, [at(builder, source, builder.mul(place, I64(by))), at(builder, target, place)])
        origin, goal = down.values
        parts = [masked_load(builder, at(builder, origin, part * LANES), masks[part]) for part in range(by)]
        value = parts[0]
        for part in range(by if by > 1 else 0):
            value = shuffle(builder, value, parts[part], _gathering(by, part))
        masked_store(builder, value, goal, inside)
        down.close([at(builder, origin, source_stride), at(builder, goal, target_stride)])
        across.close([])
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(step, FLOATS, i64, FLOATS, i64, i64, i64, i64, i64), codegen


@intrinsic(prefer_literal=True)
def add_strided_rows(
    typingctx: Any,
    step: Any,
    source: Any,
    source_stride: Any,
    target: Any,
    target_stride: Any,
    first: Any,
    last: Any,
    rows: Any,
) -> Any:
    """target[r, i * step] += source[r, i] for first <= i < last, r < rows.

    last and rows are at least 1, step is a constant. Reads whole vectors: up to 15 floats after source[r, last - 1].
    """
    (by,) = literals(step)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, source, source_stride, target, target_stride, first, last, rows = args
        across = Loop(builder, vectors_in(builder, last), [])
        place = builder.mul(across.index, I64(LANES))
        masks = _every(builder, by, builder.sub(first, place), builder.sub(last, place))
        down = Loop(builder, rows, [at(builder, source, place), at(builder, target, builder.mul(place, I64(by)))])
        origin, goal = down.values
        value = load(builder, origin)
        for part in range(by):
            spread = shuffle(builder, value, ZERO, [(part * LANES + lane) // by for lane in range(LANES)])
            here = at(builder, goal, part * LANES)
            masked_store(builder, builder.fadd(masked_load(builder, here, masks[part]), spread), here, masks[part])
        down.close([at(builder, origin, source_stride), at(builder, goal, target_stride)])
        across.close([])
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(step, FLOATS, i64, FLOATS, i64, i64, i64, i64), codegen


def _every(builder: Any, step: int, first: Any, last: Any) -> list[Any]:
    """Masks, in `step` vectors in a row, of every step-th float, if its number is in [first, last)."""
    low, high = (splat(builder, builder.trunc(end, I32)) for end in (first, last))
    masks = []
    for part in range(step):
        floats = range(part * LANES, (part + 1) * LANES)
        number = ir.Constant(INDICES, [i // step for i in floats])
        inside = builder.and_(builder.icmp_signed(">=", number, low), builder.icmp_signed("<", number, high))
        masks.append(builder.and_(inside, ir.Constant(MASK, [int(i % step == 0) for i in floats])))
    return masks


def _gathering(step: int, part: int) -> list[int]:
    """Shuffle that takes from the part-th of `step` vectors its every step-th floats, and keeps the lanes before."""
    wanted = [lane * step for lane in range(LANES)]
    return [LANES + i % LANES if i // LANES == part else lane for lane, i in enumerate(wanted)]
