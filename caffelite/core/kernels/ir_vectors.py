"""Building blocks in LLVM IR for the intrinsics: vectors of 16 floats, masks, loops.

Numba's own loops cannot keep a tile of accumulators in registers; some lines of LLVM IR can. A vector is always 16
floats long, one AVX-512 register; LLVM splits it where registers are shorter.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import RequireLiteralValue

LANES = 16
F32, I32, I64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(F32, LANES)
MASK = ir.VectorType(ir.IntType(1), LANES)
INDICES = ir.VectorType(I32, LANES)
ZERO = ir.Constant(VECTOR, [0.0] * LANES)

FLOATS, INTS = types.CPointer(types.float32), types.CPointer(types.int32)  # numba types of pointer arguments


def literals(*args: Any) -> list[int]:
    """Return the values of arguments that must be constants in the calling kernel."""
    if not all(isinstance(arg, types.Literal) for arg in args):
        raise RequireLiteralValue("tile sizes must be constants")
    return [arg.literal_value for arg in args]


def at(builder: Any, ptr: Any, offset: Any) -> Any:
    """Return ptr + offset elements."""
    return builder.gep(ptr, [offset if isinstance(offset, ir.Value) else I64(offset)])


def load(builder: Any, ptr: Any) -> Any:
    """Load 16 floats."""
    value = builder.load(builder.bitcast(ptr, VECTOR.as_pointer()))
    value.align = 4
    return value


def store(builder: Any, value: Any, ptr: Any) -> None:
    """Store 16 floats."""
    builder.store(value, builder.bitcast(ptr, VECTOR.as_pointer())).align = 4


def shuffle(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    """Choose 16 lanes out of two vectors; lanes 16 to 31 are those of `second`."""
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(I32, LANES), list(lanes)))


def splat(builder: Any, scalar: Any) -> Any:
    """Return a vector with `scalar` in every lane."""
    empty = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    return shuffle(builder, builder.insert_element(empty, scalar, I32(0)), empty, [0] * LANES)


def fused(builder: Any, factor: Any, other: Any, addend: Any) -> Any:
    """Return factor * other + addend, lane by lane."""
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(VECTOR, [VECTOR] * 3), f"llvm.fma.v{LANES}f32")
    return builder.call(fma, [factor, other, addend])


def lanes_below(builder: Any, count: Any) -> Any:
    """Return a mask of the lanes < count, an int64 (of which 32 bits count)."""
    limit = splat(builder, builder.trunc(count, I32))
    return builder.icmp_signed("<", ir.Constant(INDICES, list(range(LANES))), limit)


def masked_load(builder: Any, ptr: Any, mask: Any) -> Any:
    """Load the lanes of `mask`, the others are 0; memory outside the mask is never touched."""
    kind = ir.FunctionType(VECTOR, [VECTOR.as_pointer(), I32, MASK, VECTOR])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{LANES}f32.p0")
    return builder.call(function, [builder.bitcast(ptr, VECTOR.as_pointer()), I32(4), mask, ZERO])


def masked_store(builder: Any, value: Any, ptr: Any, mask: Any) -> None:
    """Store the lanes of `mask`; memory outside the mask is never touched."""
    kind = ir.FunctionType(ir.VoidType(), [VECTOR, VECTOR.as_pointer(), I32, MASK])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0")
    builder.call(function, [value, builder.bitcast(ptr, VECTOR.as_pointer()), I32(4), mask])


def row_places(builder: Any, base: Any, stride: Any, rows: int, valid: Any) -> list[Any]:
    """Return pointers to `rows` rows; those past `valid`, at least 1, are the last valid one: they never fault."""
    last = builder.sub(valid, I64(1))
    numbers = [builder.select(builder.icmp_signed("<", I64(i), last), I64(i), last) for i in range(rows)]
    return [at(builder, base, builder.mul(stride, number)) for number in numbers]


class Loop:
    """for index in range(count), carrying values from turn to turn; count is at least 1."""

    def __init__(self, builder: Any, count: Any, carried: Sequence[Any]) -> None:
        self.builder, self.count = builder, count
        before = builder.block
        self.body = builder.append_basic_block("body")
        builder.branch(self.body)
        builder.position_at_end(self.body)
        self.index = builder.phi(I64)
        self.index.add_incoming(I64(0), before)
        self.values = [builder.phi(value.type) for value in carried]
        for phi, value in zip(self.values, carried, strict=True):
            phi.add_incoming(value, before)

    def close(self, new: Sequence[Any]) -> list[Any]:
        """End the body; `new` are the carried values of the next turn and, returned, those after the loop."""
        builder = self.builder
        following = builder.add(self.index, I64(1))
        last = builder.block
        self.index.add_incoming(following, last)
        for phi, value in zip(self.values, new, strict=True):
            phi.add_incoming(value, last)
        done = builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed("<", following, self.count), self.body, done)
        builder.position_at_end(done)
        return list(new)


def vectors_in(builder: Any, count: Any) -> Any:
    """Return how many vectors hold `count` floats."""
    return builder.sdiv(builder.add(count, I64(LANES - 1)), I64(LANES))


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Transpose 16 vectors in registers, by 64 shuffles."""
    rows = list(rows)
    for half in (8, 4, 2, 1):
        low = [lane if not lane & half else LANES + lane - half for lane in range(LANES)]
        high = [lane + half if not lane & half else LANES + lane for lane in range(LANES)]
        for i in range(LANES):
            if not i & half:
                first, second = rows[i], rows[i + half]
                rows[i] = shuffle(builder, first, second, low)
                rows[i + half] = shuffle(builder, first, second, high)
    return rows


def lane_sums(builder: Any, vectors: Sequence[Any]) -> Any:
    """Return a vector whose lane i is the sum of the lanes of vectors[i].

    At most 16 vectors; the lanes of a None, and those past the end, hold nothing that counts.
    """
    todo = [*vectors, *[None] * (LANES - len(vectors))]
    for half in (8, 4, 2, 1):
        todo = [_halved(builder, todo[i], todo[i + half], half) for i in range(half)]
    return todo[0]


def _halved(builder: Any, first: Any, second: Any, half: int) -> Any:
    """Add up the halves of each group of 2 * half lanes: `first` gives the low half of the sums, `second` the high."""
    high = [lane + half if not lane & half else LANES + lane for lane in range(LANES)]
    if second is None:
        return first and builder.fadd(first, shuffle(builder, first, first, [lane | half for lane in range(LANES)]))
    low = [lane if not lane & half else LANES + lane - half for lane in range(LANES)]
    return builder.fadd(shuffle(builder, first, second, low), shuffle(builder, first, second, high))
