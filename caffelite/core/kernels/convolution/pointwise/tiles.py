"""The register tile of 1x1 convolution, an intrinsic: outputs x pixels, straight from and to planes of images."""

from functools import partial
from typing import Any

from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import either, fetch_line, first_that_holds
from caffelite.core.kernels.ir.registers import Narrow, Registers, Wide, kind_of
from caffelite.core.kernels.ir.vectors import (
    FLOATS,
    I64,
    LANES,
    Loop,
    at,
    fused,
    lanes_below,
    load,
    masked_load,
    masked_store,
    row_places,
    splat,
    store,
)

PLANE_TILES: dict[type[Registers], tuple[int, int]] = {Wide: (8, 3), Narrow: (6, 1)}  # rows and vectors


@intrinsic
def plane_tile(
    typingctx: Any,
    registers: Any,
    a: Any,
    b: Any,
    b_stride: Any,
    k: Any,
    c: Any,
    c_stride: Any,
    valid: Any,
    bias: Any,
    more: Any,
    cut: Any,
    jump: Any,
    stop: Any,
    fetch: Any,
    fetch_stride: Any,
    slow: Any,
) -> Any:
    """c[i, :] = start + sum over j < k of a[16 * j + i] * b[j * b_stride :][: width] for i < valid.

    valid is at most the rows of the PLANE_TILES of the registers, width the floats of its vectors. start is bias[i], or
    c itself where `more` is not 0. The columns of c from `cut` up to `stop` lie `jump` floats further, and those past
    `stop`, at least 1, are not touched.
    Meanwhile the cache lines at fetch + (j >> slow) * fetch_stride are fetched, which need not exist.
    """
    n_rows, widest = PLANE_TILES[kind_of(registers)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, *operands = args
        cut, stop = operands[9], operands[11]

        def whole() -> Any:
            ends = [builder.icmp_signed(">=", end, I64(LANES * widest)) for end in (cut, stop)]
            return builder.and_(*ends)

        cases = [(whole, partial(_plane_tile, builder, n_rows, widest, False, *operands))]
        for n_vec in range(widest, 0, -1):  # as narrow as the last pixel allows
            reached = partial(builder.icmp_signed, ">", stop, I64(LANES * (n_vec - 1)))
            cases.append((reached, partial(_plane_tile, builder, n_rows, n_vec, True, *operands)))
        first_that_holds(builder, cases)
        return context.get_dummy_value()

    i64 = types.int64
    operands = (FLOATS, FLOATS, i64, i64, FLOATS, i64, i64, FLOATS, i64, i64, i64, i64, FLOATS, i64, i64)
    return types.void(registers, *operands), codegen


def _plane_tile(
    builder: Any,
    n_rows: int,
    n_vec: int,
    crosses: bool,
    a: Any,
    b: Any,
    b_stride: Any,
    k: Any,
    c: Any,
    c_stride: Any,
    valid: Any,
    bias: Any,
    more: Any,
    cut: Any,
    jump: Any,
    stop: Any,
    fetch: Any,
    fetch_stride: Any,
    slow: Any,
) -> None:
    """Emit the code of plane_tile for one width, with or without columns past `cut` or `stop`."""
    lines = row_places(builder, c, c_stride, n_rows, valid)
    places = [[at(builder, line, LANES * j) for j in range(n_vec)] for line in lines]
    end = builder.select(builder.icmp_signed("<", cut, stop), cut, stop)
    here = [lanes_below(builder, builder.sub(end, I64(LANES * j))) for j in range(n_vec)]
    inside = [lanes_below(builder, builder.sub(stop, I64(LANES * j))) for j in range(n_vec)]
    there = [builder.and_(builder.not_(one), other) for one, other in zip(here, inside, strict=True)]

    def old(i: int, j: int) -> Any:
        if not crosses:
            return load(builder, places[i][j])
        rest = masked_load(builder, at(builder, places[i][j], jump), there[j])
        return builder.select(here[j], masked_load(builder, places[i][j], here[j]), rest)

    tile = [(i, j) for i in range(n_rows) for j in range(n_vec)]
    biases = [splat(builder, builder.load(at(builder, bias, i))) for i in range(n_rows)]
    adds = builder.icmp_signed("!=", more, I64(0))
    starts = either(builder, adds, lambda: [old(i, j) for i, j in tile], lambda: [biases[i] for i, _ in tile])
    loop = Loop(builder, k, [a, b, *starts])
    weights, line = loop.values[:2]
    pixels = [load(builder, at(builder, line, LANES * j)) for j in range(n_vec)]
    fetch_line(builder, at(builder, fetch, builder.mul(builder.lshr(loop.index, slow), fetch_stride)), 2)
    new = []
    for i in range(n_rows):
        weight = splat(builder, builder.load(at(builder, weights, i)))
        new += [fused(builder, weight, pixels[j], loop.values[2 + i * n_vec + j]) for j in range(n_vec)]
    new = loop.close([at(builder, weights, LANES), at(builder, line, b_stride), *new])[2:]
    for i in reversed(range(n_rows)):  # rows past `valid` go first, onto the last one, which is stored last
        for j in range(n_vec):
            value = new[i * n_vec + j]
            if crosses:
                masked_store(builder, value, places[i][j], here[j])
                masked_store(builder, value, at(builder, places[i][j], jump), there[j])
            else:
                store(builder, value, places[i][j])
