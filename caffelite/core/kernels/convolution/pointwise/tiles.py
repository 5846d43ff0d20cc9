"""The register tile of 1x1 convolution, an intrinsic: outputs x pixels, straight from and to planes of images."""

from functools import partial
from typing import Any, NamedTuple

from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import either, fetch_line, first_that_holds
from caffelite.core.kernels.ir.operands import RowMajor, Start, operand, unpacked
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


class Crossing(NamedTuple):
    """Where a tile of pixels crosses into the next image: columns from `cut` up to `stop` lie `jump` floats further.

    Those past `stop`, at least 1, are no pixels and not touched.
    """

    cut: int
    jump: int
    stop: int


class Prefetch(NamedTuple):
    """Cache lines to fetch in step j of a sum, those at data + (j >> slow) * stride, which need not exist."""

    data: Any
    stride: int
    slow: int


@intrinsic
def plane_tile(
    typingctx: Any, registers: Any, a: Any, b: Any, k: Any, c: Any, valid: Any, start: Any, crossing: Any, prefetch: Any
) -> Any:
    """c[i, :] = start + sum over j < k of a[16 * j + i] * b[j, :] for i < valid.

    a is a pointer, b and c are RowMajor, start is a Start, crossing a Crossing of the columns of c. The tile is that of
    the PLANE_TILES of the registers, valid at most its rows. Meanwhile lines are fetched as the Prefetch says.
    """
    n_rows, widest = PLANE_TILES[kind_of(registers)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, *operands = unpacked(context, builder, signature, args)
        crossing = operands[-2]

        def whole() -> Any:
            ends = [builder.icmp_signed(">=", end, I64(LANES * widest)) for end in (crossing.cut, crossing.stop)]
            return builder.and_(*ends)

        cases = [(whole, partial(_plane_tile, builder, (n_rows, widest), False, *operands))]
        for n_vec in range(widest, 0, -1):  # as narrow as the last pixel allows
            reached = partial(builder.icmp_signed, ">", crossing.stop, I64(LANES * (n_vec - 1)))
            cases.append((reached, partial(_plane_tile, builder, (n_rows, n_vec), True, *operands)))
        first_that_holds(builder, cases)
        return context.get_dummy_value()

    pixels, target = operand(b, RowMajor), operand(c, RowMajor)
    others = operand(start, Start), operand(crossing, Crossing), operand(prefetch, Prefetch)
    return types.void(registers, FLOATS, pixels, types.int64, target, types.int64, *others), codegen


def _plane_tile(
    builder: Any,
    shape: tuple[int, int],
    crosses: bool,
    a: Any,
    b: RowMajor,
    k: Any,
    c: RowMajor,
    valid: Any,
    start: Start,
    crossing: Crossing,
    prefetch: Prefetch,
) -> None:
    """Emit the code of plane_tile for rows and vectors, with or without columns past `cut` or `stop`."""
    (n_rows, n_vec), (cut, jump, stop) = shape, crossing
    lines = row_places(builder, c.data, c.stride, n_rows, valid)
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
    biases = [splat(builder, builder.load(at(builder, start.bias, i))) for i in range(n_rows)]
    adds = builder.icmp_signed("!=", start.more, I64(0))
    starts = either(builder, adds, lambda: [old(i, j) for i, j in tile], lambda: [biases[i] for i, _ in tile])
    loop = Loop(builder, k, [a, b.data, *starts])
    weights, line = loop.values[:2]
    pixels = [load(builder, at(builder, line, LANES * j)) for j in range(n_vec)]
    ahead = builder.mul(builder.lshr(loop.index, prefetch.slow), prefetch.stride)
    fetch_line(builder, at(builder, prefetch.data, ahead), 2)
    new = []
    for i in range(n_rows):
        weight = splat(builder, builder.load(at(builder, weights, i)))
        new += [fused(builder, weight, pixels[j], loop.values[2 + i * n_vec + j]) for j in range(n_vec)]
    new = loop.close([at(builder, weights, LANES), at(builder, line, b.stride), *new])[2:]
    for i in reversed(range(n_rows)):  # rows past `valid` go first, onto the last one, which is stored last
        for j in range(n_vec):
            value = new[i * n_vec + j]
            if crosses:
                masked_store(builder, value, places[i][j], here[j])
                masked_store(builder, value, at(builder, places[i][j], jump), there[j])
            else:
                store(builder, value, places[i][j])
