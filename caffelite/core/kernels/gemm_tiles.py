"""Register tiles of matrix products as numba intrinsics, in explicit float32 vectors.

numba's own loops cannot keep a block of accumulators in registers; some thirty lines of LLVM IR can. No operand is
packed: of the two tiles one always suits the way a matrix lies in memory. Loads and stores need no alignment and those
at an edge are masked, so nothing past the end of a matrix is touched.

The tile sizes suit 32 registers of 16 floats (AVX-512) or 16 registers of 8 floats (everything else).
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic


def _has_wide_vectors() -> bool:
    """Tell whether the CPU that numba compiles for has AVX-512; NUMBA_CPU_FEATURES overrides the host's."""
    if config.CPU_FEATURES:
        return "+avx512f" in config.CPU_FEATURES
    return bool(llvm.get_host_cpu_features().get("avx512f", False))


WIDE = _has_wide_vectors()
LANES = 16 if WIDE else 8
OUTER_ROWS, OUTER_VECTORS = (8, 3) if WIDE else (6, 2)  # the accumulators and one row of loads fill the registers
DOT_ROWS, DOT_COLS = (4, 6) if WIDE else (4, 3)

F32, I1, I32, I64 = ir.FloatType(), ir.IntType(1), ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(F32, LANES)
MASK = ir.VectorType(I1, LANES)
ZERO = ir.Constant(VECTOR, [0.0] * LANES)
FLOATS = types.CPointer(types.float32)


@intrinsic
def pointer(typingctx: Any, array: Any, offset: Any) -> Any:
    """Address of element `offset` of a C-contiguous array: inner loops take it, since arrays cost reference counts."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.gep(data, [args[1]])

    return types.CPointer(array.dtype)(array, types.int64), codegen


@intrinsic(prefer_literal=True)
def outer_tile(
    typingctx: Any,
    vectors: Any,
    a: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_stride: Any,
    depth: Any,
    start: Any,
    start_stride: Any,
    c: Any,
    c_stride: Any,
    rows: Any,
    cols: Any,
) -> Any:
    """c[i, j] = start[i, j] + sum over k < depth of a[i * a_row + k * a_step] * b[k * b_stride + j].

    i < rows <= OUTER_ROWS and j < cols, cols in (LANES * (vectors - 1), LANES * vectors]; `vectors` is a constant.
    Rows of start and c are start_stride and c_stride floats apart; start may be c. The next tile to the right of b
    and start is fetched meanwhile: rows far apart are more streams than the CPU foresees.
    """
    count = _literal(vectors)
    ints, addresses = types.int64, FLOATS

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, a, a_row, a_step, b, b_stride, depth, start, start_stride, c, c_stride, rows, cols = args
        row_of = _clamped_rows(builder, OUTER_ROWS, rows)
        mask = _first_lanes(builder, builder.sub(cols, I64(LANES * (count - 1))))
        masks = [None] * (count - 1) + [mask]

        def line(address: Any) -> list[Any]:
            return [_load(builder, builder.gep(address, [I64(LANES * j)]), masks[j]) for j in range(count)]

        a_rows = [builder.gep(a, [builder.mul(a_row, row)]) for row in row_of]
        for row in row_of:
            place = builder.gep(start, [builder.mul(start_stride, row)])
            for j in range(count):
                _fetch(builder, builder.gep(place, [I64(LANES * (count + j))]))
        loop = _Loop(builder, depth, [b, I64(0), *[ZERO] * (OUTER_ROWS * count)])
        b_line, at = loop.values[:2]
        values = line(b_line)
        for j in range(count):
            _fetch(builder, builder.gep(b_line, [I64(LANES * (count + j))]))
        new = []
        for i in range(OUTER_ROWS):
            factor = _splat(builder, builder.load(builder.gep(a_rows[i], [at])))
            new += [_fma(builder, factor, values[j], loop.values[2 + i * count + j]) for j in range(count)]
        loop.close([builder.gep(b_line, [b_stride]), builder.add(at, a_step), *new])
        begin = [value for row in row_of for value in line(builder.gep(start, [builder.mul(start_stride, row)]))]
        totals = [builder.fadd(x, y) for x, y in zip(begin, loop.values[2:], strict=True)]
        for i in reversed(range(OUTER_ROWS)):  # rows past the end go first, onto the last one, which is stored last
            place = builder.gep(c, [builder.mul(c_stride, row_of[i])])
            for j in range(count):
                _store(builder, totals[i * count + j], builder.gep(place, [I64(LANES * j)]), masks[j])
        return context.get_dummy_value()

    operands = (addresses, ints, ints, addresses, ints, ints, addresses, ints, addresses, ints, ints, ints)
    return types.void(vectors, *operands), codegen


@intrinsic
def dot_tile(
    typingctx: Any,
    a: Any,
    a_stride: Any,
    b: Any,
    b_stride: Any,
    depth: Any,
    start: Any,
    start_stride: Any,
    c: Any,
    c_stride: Any,
    rows: Any,
    cols: Any,
) -> Any:
    """c[i, j] = start[i, j] + sum over k < depth of a[i * a_stride + k] * b[j * b_stride + k].

    i < rows <= DOT_ROWS, j < cols <= DOT_COLS. Both operands are read along their rows, a vector at a time.
    """
    ints, addresses = types.int64, FLOATS

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, a_stride, b, b_stride, depth, start, start_stride, c, c_stride, rows, cols = args
        row_of = _clamped_rows(builder, DOT_ROWS, rows)
        a_rows = [builder.gep(a, [builder.mul(a_stride, row)]) for row in row_of]
        b_rows = [builder.gep(b, [builder.mul(b_stride, col)]) for col in _clamped_rows(builder, DOT_COLS, cols)]

        def step(at: Any, sums: list[Any], mask: Any) -> list[Any]:
            left = [_load(builder, builder.gep(row, [at]), mask) for row in a_rows]
            right = [_load(builder, builder.gep(row, [at]), mask) for row in b_rows]
            return [
                _fma(builder, x, y, sums[i * DOT_COLS + j]) for i, x in enumerate(left) for j, y in enumerate(right)
            ]

        loop = _Loop(builder, builder.sdiv(depth, I64(LANES)), [ZERO] * (DOT_ROWS * DOT_COLS))
        loop.close(step(builder.mul(loop.index, I64(LANES)), loop.values, None))
        whole = builder.and_(depth, I64(-LANES))
        sums = step(whole, loop.values, _first_lanes(builder, builder.sub(depth, whole)))
        mask = _first_lanes(builder, cols)
        begin = [_load(builder, builder.gep(start, [builder.mul(start_stride, row)]), mask) for row in row_of]
        totals = _row_totals(builder, sums)
        for i in reversed(range(DOT_ROWS)):  # as in outer_tile
            value = builder.fadd(totals[i], begin[i])
            _store(builder, value, builder.gep(c, [builder.mul(c_stride, row_of[i])]), mask)
        return context.get_dummy_value()

    operands = (addresses, ints, addresses, ints, ints, addresses, ints, addresses, ints, ints, ints)
    return types.void(*operands), codegen


def _row_totals(builder: Any, sums: list[Any]) -> list[Any]:
    """For each row of the dot tile a vector whose first DOT_COLS lanes are the totals of its accumulators.

    Two rows fill the lanes of one vector; adding in a tree costs a quarter of summing each accumulator by itself.
    """
    half = LANES // 2
    upper = _lanes([lane + half if lane < half else lane for lane in range(LANES)])
    totals = []
    for i in range(0, DOT_ROWS, 2):
        tree: list[Any] = [None] * LANES
        for k in range(2):
            tree[k * half : k * half + DOT_COLS] = sums[(i + k) * DOT_COLS : (i + k + 1) * DOT_COLS]
        level = half
        while level:
            tree = [_folded(builder, tree[k], tree[k + level], level) for k in range(level)]
            level //= 2
        totals += [tree[0], builder.shuffle_vector(tree[0], tree[0], upper)]
    return totals


def _folded(builder: Any, first: Any, second: Any, level: int) -> Any:
    """Add lanes `level` apart; of each pair of lanes the first belongs to `first`, the other to `second`."""
    if first is None:
        return None
    second = ir.Constant(VECTOR, ir.Undefined) if second is None else second
    low = [lane if not lane & level else LANES + lane - level for lane in range(LANES)]
    high = [lane + level if not lane & level else LANES + lane for lane in range(LANES)]
    return builder.fadd(*(builder.shuffle_vector(first, second, _lanes(order)) for order in (low, high)))


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
        builder.cbranch(builder.icmp_signed("<", self.index, count), body, self.after)
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
        raise RequireLiteralValue("a tile's size must be a constant")
    return int(arg.literal_value)


def _lanes(order: list[int]) -> Any:
    return ir.Constant(ir.VectorType(I32, LANES), order)


def _clamped_rows(builder: Any, count: int, valid: Any) -> list[Any]:
    """0 .. count - 1, those from `valid` on replaced by valid - 1: an unused row repeats the last used one."""
    last = builder.sub(valid, I64(1))
    return [builder.select(builder.icmp_signed("<", I64(i), last), I64(i), last) for i in range(count)]


def _first_lanes(builder: Any, count: Any) -> Any:
    """Mask of the lanes < count."""
    ints = ir.VectorType(I64, LANES)
    one = builder.insert_element(ir.Constant(ints, ir.Undefined), count, I32(0))
    limit = builder.shuffle_vector(one, one, _lanes([0] * LANES))
    return builder.icmp_signed("<", ir.Constant(ints, list(range(LANES))), limit)


def _splat(builder: Any, scalar: Any) -> Any:
    one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, I32(0))
    return builder.shuffle_vector(one, one, _lanes([0] * LANES))


def _fma(builder: Any, x: Any, y: Any, z: Any) -> Any:
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32"), [x, y, z])


def _load(builder: Any, address: Any, mask: Any = None) -> Any:
    """LANES floats from `address`; where the mask is false no memory is read and the lane is 0."""
    place = builder.bitcast(address, VECTOR.as_pointer())
    if mask is None:
        value = builder.load(place)
        value.align = 4
        return value
    kind = ir.FunctionType(VECTOR, [place.type, I32, MASK, VECTOR])
    load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{LANES}f32.p0")
    return builder.call(load, [place, I32(4), mask, ZERO])


def _store(builder: Any, value: Any, address: Any, mask: Any = None) -> None:
    place = builder.bitcast(address, VECTOR.as_pointer())
    if mask is None:
        builder.store(value, place).align = 4
        return
    kind = ir.FunctionType(ir.VoidType(), [VECTOR, place.type, I32, MASK])
    store = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0")
    builder.call(store, [value, place, I32(4), mask])


def _fetch(builder: Any, address: Any) -> None:
    """Ask for the cache line at `address`, which need not exist."""
    place = builder.bitcast(address, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [place.type, I32, I32, I32])
    fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(fetch, [place, I32(0), I32(3), I32(1)])
