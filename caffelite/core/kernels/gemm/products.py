"""The register tile of products whose operands need no packing, an intrinsic, in the sizes that suit the CPU."""

from functools import partial
from typing import Any

from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import either, first_that_holds
from caffelite.core.kernels.ir.operands import Matrix, RowMajor, operand, unpacked
from caffelite.core.kernels.ir.pointers import own_code, shift
from caffelite.core.kernels.ir.registers import Narrow, Registers, Wide, kind_of
from caffelite.core.kernels.ir.vectors import I64, LANES, ZERO, Loop, at, fused, load, row_places, splat, store
from caffelite.core.kernels.jit.compile import kernel

PRODUCT_ROWS: dict[type[Registers], tuple[int, ...]] = {Wide: (12, 12, 8, 6), Narrow: (6,)}  # of tiles 1, 2 ... wide


def product_rows(registers: Registers, vectors: int) -> int:
    """Return how many rows run_product takes at once where there are so many vectors."""
    rows = PRODUCT_ROWS[type(registers)]
    return rows[min(vectors, len(rows)) - 1]


@intrinsic
def product_width(typingctx: Any, registers: Any) -> Any:
    """Return how many vectors the widest tile of products has."""
    widest = len(PRODUCT_ROWS[kind_of(registers)])

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return I64(widest)

    return types.int64(registers), codegen


@intrinsic
def product_tile(
    typingctx: Any, registers: Any, vectors: Any, a: Any, b: Any, k: Any, c: Any, valid: Any, more: Any
) -> Any:
    """c[i, :] = sum over j < k of a[i, j] * b[j, :] for i < valid, 16 * vectors columns; where `more` is not 0, +=.

    a is a Matrix, b and c are RowMajor. k is at least 1, vectors at most product_width(registers), and valid at most
    product_rows(registers, vectors).
    """
    heights = PRODUCT_ROWS[kind_of(registers)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, vectors, *operands = unpacked(context, builder, signature, args)
        cases = []
        for n_vec in range(len(heights), 0, -1):
            condition = partial(builder.icmp_signed, "==", vectors, I64(n_vec))
            cases.append((condition, partial(_product_tile, builder, heights[n_vec - 1], n_vec, *operands)))
        first_that_holds(builder, cases)
        return context.get_dummy_value()

    i64, right, target = types.int64, operand(b, RowMajor), operand(c, RowMajor)
    return types.void(registers, i64, operand(a, Matrix), right, i64, target, i64, i64), codegen


def _product_tile(
    builder: Any, n_rows: int, n_vec: int, a: Matrix, b: RowMajor, k: Any, c: RowMajor, valid: Any, more: Any
) -> None:
    """Emit the code of product_tile for one shape."""
    places = row_places(builder, c.data, c.stride, n_rows, valid)
    factors = row_places(builder, a.data, a.row_stride, n_rows, valid)
    parts = [at(builder, place, LANES * j) for place in places for j in range(n_vec)]
    loop = Loop(builder, k, [b.data, I64(0), *[ZERO] * len(parts)])
    row, step = loop.values[:2]
    lanes = [load(builder, at(builder, row, LANES * j)) for j in range(n_vec)]
    new = []
    for i in range(n_rows):
        factor = splat(builder, builder.load(at(builder, factors[i], step)))
        new += [fused(builder, factor, lanes[j], loop.values[2 + i * n_vec + j]) for j in range(n_vec)]
    sums = loop.close([at(builder, row, b.stride), builder.add(step, a.column_stride), *new])[2:]
    # added last: sums of sums round less than one long sum
    adds, pairs = builder.icmp_signed("!=", more, I64(0)), list(zip(sums, parts, strict=True))
    totals = either(builder, adds, lambda: [builder.fadd(v, load(builder, p)) for v, p in pairs], lambda: sums)
    for part, total in zip(parts, totals, strict=True):
        store(builder, total, part)


@kernel
def run_product(
    registers: Registers, vectors: int, a: Matrix, b: RowMajor, k: int, c: RowMajor, valid: int, more: int
) -> None:
    """Do what product_tile does, for 1 to 4 vectors; `valid` is at most product_rows(registers, vectors)."""
    own_code()
    width = min(vectors, product_width(registers))  # all at once, but where registers are few
    for j in range(0, vectors, width):
        right, target = RowMajor(shift(b.data, 16 * j), b.stride), RowMajor(shift(c.data, 16 * j), c.stride)
        product_tile(registers, width, a, right, k, target, valid, more)
