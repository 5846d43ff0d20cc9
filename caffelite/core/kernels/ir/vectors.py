"""Building blocks in LLVM IR for the intrinsics: vectors of 16 floats, masks, loops.

Numba's own loops cannot keep a tile of accumulators in registers; some lines of LLVM IR can. A vector is 16 floats
long, one AVX-512 register, and LLVM splits it where registers are shorter; most functions take other vectors, too.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import errors, types

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
        raise errors.RequireLiteralValue("tile sizes must be constants")
    return [arg.literal_value for arg in args]


def at(builder: Any, ptr: Any, offset: Any) -> Any:
    """Return ptr + offset elements."""
    return builder.gep(ptr, [offset if isinstance(offset, ir.Value) else I64(offset)])


def load(builder: Any, ptr: Any, lanes: int = LANES) -> Any:
    """Load a vector from a pointer to its first element."""
    vector = ir.VectorType(ptr.type.pointee, lanes)
    value = builder.load(builder.bitcast(ptr, vector.as_pointer()))
    value.align = _size(vector)
    return value


def store(builder: Any, value: Any, ptr: Any) -> None:
    """Store a vector."""
    builder.store(value, builder.bitcast(ptr, value.type.as_pointer())).align = _size(value.type)


def shuffle(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    """Choose lanes out of two vectors; those of `second` are numbered on from those of `first`."""
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))


def splat(builder: Any, scalar: Any, lanes: int = LANES) -> Any:
    """Return a vector with `scalar` in every lane."""
    empty = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    return shuffle(builder, builder.insert_element(empty, scalar, I32(0)), empty, [0] * lanes)


def fused(builder: Any, factor: Any, other: Any, addend: Any) -> Any:
    """Return factor * other + addend, lane by lane."""
    return _call(builder, "fma", factor.type, factor.type, [factor, other, addend])


def lanes_below(builder: Any, count: Any, lanes: int = LANES) -> Any:
    """Return a mask of the lanes < count, an integer of which 32 bits count."""
    limit = splat(builder, builder.trunc(count, I32), lanes)
    return builder.icmp_signed("<", ir.Constant(limit.type, list(range(lanes))), limit)


def masked_load(builder: Any, ptr: Any, mask: Any, other: Any = None) -> Any:
    """Load the lanes of `mask`, those of `other` (default 0) elsewhere; memory outside the mask is never touched."""
    vector = ir.VectorType(ptr.type.pointee, mask.type.count)
    other = ir.Constant(vector, [0.0] * vector.count) if other is None else other
    place = builder.bitcast(ptr, vector.as_pointer())
    return _call(builder, "masked.load", vector, vector, [place, I32(_size(vector)), mask, other])


def masked_store(builder: Any, value: Any, ptr: Any, mask: Any) -> None:
    """Store the lanes of `mask`; memory outside the mask is never touched."""
    place = builder.bitcast(ptr, value.type.as_pointer())
    _call(builder, "masked.store", value.type, ir.VoidType(), [value, place, I32(_size(value.type)), mask])


def declared(module: Any, kind: Any, name: str) -> Any:
    """Return the function of that name and type in a module, declared there if it was not yet."""
    return module.globals[name] if name in module.globals else ir.Function(module, kind, name)


def _call(builder: Any, name: str, vector: Any, result: Any, args: list[Any]) -> Any:
    """Call one of LLVM's intrinsics for vectors of this type."""
    kind = {ir.DoubleType(): "f64", F32: "f32", I32: "i32"}[vector.element]
    end = ".p0" if name.startswith("masked") else ""
    function = ir.FunctionType(result, [arg.type for arg in args])
    full_name = f"llvm.{name}.v{vector.count}{kind}{end}"
    return builder.call(declared(builder.module, function, full_name), args)


def _size(vector: Any) -> int:
    """Bytes of one float, double or int."""
    return 8 if isinstance(vector.element, ir.DoubleType) else 4


def row_places(builder: Any, base: Any, stride: Any, rows: int, valid: Any) -> list[Any]:
    """Return pointers to `rows` rows; those past `valid`, at least 1, are the last valid one: they never fault."""
    last = builder.sub(valid, I64(1))
    numbers = [builder.select(builder.icmp_signed("<", I64(i), last), I64(i), last) for i in range(rows)]
    return [at(builder, base, builder.mul(stride, number)) for number in numbers]


class Loop:
    """for index in range(count), carrying values from round to round; count is at least 1."""

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
        """End the body; `new` are the carried values of the next round and, returned, those after the loop."""
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


class CheckedLoop:
    """for index in range(count), where count may be 0; `values` are those carried, after `close` the last ones."""

    def __init__(self, builder: Any, count: Any, carried: Sequence[Any]) -> None:
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
        builder.cbranch(builder.icmp_signed("<", self.index, count), body, self.after)
        builder.position_at_end(body)

    def close(self, new: Sequence[Any]) -> None:
        """End the body, handing `new` to the next round."""
        following = self.builder.add(self.index, I64(1))
        for phi, value in zip(self.phis, (following, *new), strict=True):
            phi.add_incoming(value, self.builder.block)
        self.builder.branch(self.head)
        self.builder.position_at_end(self.after)


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

    At most as many vectors as they have lanes; the lanes of a None, and those past the end, hold nothing that counts.
    """
    half = int(next(vector for vector in vectors if vector is not None).type.count)
    todo = [*vectors, *[None] * (half - len(vectors))]
    while half > 1:
        half //= 2
        todo = [_halved(builder, todo[i], todo[i + half], half) for i in range(half)]
    return todo[0]


def _halved(builder: Any, first: Any, second: Any, half: int) -> Any:
    """Add up the halves of each group of 2 * half lanes: `first` gives the low half of the sums, `second` the high."""
    if first is None:
        return None
    lanes = range(first.type.count)
    if second is None:
        return builder.fadd(first, shuffle(builder, first, first, [lane | half for lane in lanes]))
    low = [lane if not lane & half else len(lanes) + lane - half for lane in lanes]
    high = [lane + half if not lane & half else len(lanes) + lane for lane in lanes]
    return builder.fadd(shuffle(builder, first, second, low), shuffle(builder, first, second, high))
