"""The register tile of products whose operands need no packing, in the sizes that suit the CPU."""

from typing import Any

from caffelite.core.kernels.convolution.direct.tiles import WIDE
from caffelite.core.kernels.convolution.winograd.tiles import product_tile
from caffelite.core.kernels.ir.pointers import own_code, shift
from caffelite.core.kernels.jit.compile import kernel

if WIDE:

    @kernel
    def run_product(
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
        """product_tile of a width known at run time; of TILE_ROWS rows at most."""
        own_code()
        if vectors == 4:
            product_tile(6, 4, a, a_row, a_step, b, b_stride, k, c, c_stride, valid, more)
        elif vectors == 3:
            product_tile(8, 3, a, a_row, a_step, b, b_stride, k, c, c_stride, valid, more)
        elif vectors == 2:
            product_tile(12, 2, a, a_row, a_step, b, b_stride, k, c, c_stride, valid, more)
        else:
            product_tile(12, 1, a, a_row, a_step, b, b_stride, k, c, c_stride, valid, more)

    TILE_ROWS: tuple[int, ...] = (12, 12, 12, 8, 6)  # of a tile so many vectors wide
else:

    @kernel
    def run_product(
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
        """Products of `vectors` vectors, in tiles that fit 16 registers of 8 floats."""
        own_code()
        for j in range(vectors):
            right, place = shift(b, 16 * j), shift(c, 16 * j)
            product_tile(6, 1, a, a_row, a_step, right, b_stride, k, place, c_stride, valid, more)

    TILE_ROWS = (6, 6, 6, 6, 6)
