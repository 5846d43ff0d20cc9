"""The register tile of 1x1 convolution, an intrinsic: outputs x pixels, straight from and to planes of images."""

from typing import Any

from numba import types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.memory import either, fetch_line
from caffelite.core.kernels.ir.vectors import (
    FLOATS,
    I64,
    LANES,
    Loop,
    at,
    fused,
    lanes_below,
    literals,
    load,
    masked_load,
    masked_store,
    row_places,
    splat,
    store,
)


@intrinsic(prefer_literal=True)
def plane_tile(
    typingctx: Any,
    rows: Any,
    vectors: Any,
    crossing: Any,
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
    """c[i, :] = start + sum over j < k of a[16 * j + i] * b[j * b_stride :][: 16 * vectors] for i < valid.

    start is bias[i], or c itself where `more` is not 0. With the constant `crossing` 1 the columns of c from `cut` up
    to `stop` lie `jump` floats further, and those past `stop` are not touched; with 0 all are and they are in a row.
    Meanwhile the cache lines at fetch + (j >> slow) * fetch_stride are fetched, which need not exist.
    """
    n_rows, n_vec, crosses = literals(rows, vectors, crossing)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b, b_stride, k, c, c_stride, valid, bias, more, cut, jump, stop, fetch, fetch_stride, slow = args[3:]
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
        return context.get_dummy_value()

    i64 = types.int64
    operands = (FLOATS, FLOATS, i64, i64, FLOATS, i64, i64, FLOATS, i64, i64, i64, i64, FLOATS, i64, i64)
    return types.void(rows, vectors, crossing, *operands), codegen
