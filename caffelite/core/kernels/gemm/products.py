"""The register tile of products whose operands need no packing, in the sizes that suit the CPU."""

from typing import Any

from caffelite.core.kernels.convolution.winograd.tiles import product_tile, product_width
from caffelite.core.kernels.ir.pointers import own_code, shift
from caffelite.core.kernels.ir.registers import Registers
from caffelite.core.kernels.jit.compile import kernel


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
