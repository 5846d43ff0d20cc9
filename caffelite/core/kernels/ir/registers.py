"""The vector registers that register tiles are sized for, as types.

A kernel that is given a `Wide()` is another compiled function than one given a `Narrow()`: the intrinsics look their
tile shapes up by the type of that argument. So both forms exist in one process and only those that run are compiled.
"""

from functools import cache
from typing import Any, NamedTuple

from caffelite.core.kernels.jit.versions import target_features


class Wide(NamedTuple):
    """AVX-512: 32 registers of 16 floats."""

    lanes: int = 16


class Narrow(NamedTuple):
    """AVX2, and everything else: 16 registers of 8 floats."""

    lanes: int = 8


Registers = Wide | Narrow
Shapes = tuple[tuple[int, int], ...]  # sizes of tiles, in rows and vectors or columns


def has_wide_registers() -> bool:
    """Whether code is compiled for AVX-512: 32 registers of 16 floats. Else tiles are sized for 16 registers of 8."""
    return "avx512f" in target_features()


@cache
def registers_of_cpu() -> Registers:
    """Return the registers that code is compiled for."""
    return Wide() if has_wide_registers() else Narrow()


def kind_of(registers: Any) -> type[Registers]:
    """Return Wide or Narrow from numba's type of an argument of an intrinsic."""
    kind: type[Registers] = registers.instance_class
    return kind
