"""The register tile of products whose operands need no packing, an intrinsic, in the sizes that suit the CPU."""

from functools import partial
from typing import Any

from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import either, first_that_holds
from caffelite.core.kernels.ir.pointers import own_code, shift
from caffelite.core.kernels.ir.registers import Narrow, Registers, Wide, kind_of
from caffelite.core.kernels.ir.vectors import (
    FLOATS,
    I64,
    LANES,
    ZERO,
    Loop,
    at,
    fused,
    load,
    row_places,
    splat,
    store,
)
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
    typingctx: Any,
    registers: Any,
    vectors: Any,
    a: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_stride: Any,
    k: Any,
    c: Any,
    c_stride: Any,
    valid: Any,
    more: Any,
) -> Any:
    """c[i, :] = sum over j < k of a[i * a_row + j * a_step] * b[j * b_stride :][: 16 * vectors] for i < valid.

    Where `more` is not 0 the sum is added to c. k is at least 1, vectors at most product_width(registers), and valid at
    most product_rows(registers, vectors).
    """
    heights = PRODUCT_ROWS[kind_of(registers)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, vectors, *operands = args
        cases = []
        for n_vec in range(len(heights), 0, -1):
            condition = partial(builder.icmp_signed, "==", vectors, I64(n_vec))
            cases.append((condition, partial(_product_tile, builder, heights[n_vec - 1], n_vec, *operands)))
        first_that_holds(builder, cases)
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(registers, i64, FLOATS, i64, i64, FLOATS, i64, i64, FLOATS, i64, i64, i64), codegen


def _product_tile(
    builder: Any,
    n_rows: int,
    n_vec: int,
    a: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_stride: Any,
    k: Any,
    c: Any,
    c_stride: Any,
    valid: Any,
    more: Any,
) -> None:
    """Emit the code of product_tile for one shape."""
    places = row_places(builder, c, c_stride, n_rows, valid)
    factors = row_places(builder, a, a_row, n_rows, valid)
    parts = [at(builder, place, LANES * j) for place in places for j in range(n_vec)]
    loop = Loop(builder, k, [b, I64(0), *[ZERO] * len(parts)])
    row, step = loop.values[:2]
    lanes = [load(builder, at(builder, row, LANES * j)) for j in range(n_vec)]
    new = []
    for i in range(n_rows):
        factor = splat(builder, builder.load(at(builder, factors[i], step)))
        new += [fused(builder, factor, lanes[j], loop.values[2 + i * n_vec + j]) for j in range(n_vec)]
    sums = loop.close([at(builder, row, b_stride), builder.add(step, a_step), *new])[2:]
    # added last: sums of sums round less than one long sum
    adds, pairs = builder.icmp_signed("!=", more, I64(0)), list(zip(sums, parts, strict=True))
    totals = either(builder, adds, lambda: [builder.fadd(v, load(builder, p)) for v, p in pairs], lambda: sums)
    for part, total in zip(parts, totals, strict=True):
        store(builder, total, part)


@kernel
def run_product(
    registers: Registers,
    vectors: int,
    a: Any,
    a_row: int,
    a_step: int,
    b: Any,
    b_stride: int,
    k: int,
    c: Any,
    c_stride: int,
    valid: int,
    more: int,
) -> None:
    """Do what product_tile does, for 1 to 4 vectors; `valid` is at most product_rows(registers, vectors)."""
    own_code()
    width = min(vectors, product_width(registers))  # all at once, but where registers are few
    for j in range(0, vectors, width):
        right, place = shift(b, 16 * j), shift(c, 16 * j)
        product_tile(registers, width, a, a_row, a_step, right, b_stride, k, place, c_stride, valid, more)
