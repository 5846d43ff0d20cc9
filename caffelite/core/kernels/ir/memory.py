"""What intrinsics do about the time that memory takes: fetching ahead, and branches around what is not wanted."""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from caffelite.core.kernels.ir.vectors import I32, declared


def fetch_line(builder: Any, ptr: Any, level: int = 1) -> None:
    """Ask for the cache line at ptr, which need not exist, to be brought to the cache of that level, 1 or 2.

    Masked loads, and loads a plane apart, do not make every CPU read ahead by itself.
    """
    place = builder.bitcast(ptr, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [place.type, I32, I32, I32])
    fetch = declared(builder.module, kind, "llvm.prefetch.p0")
    builder.call(fetch, [place, I32(0), I32(4 - level), I32(1)])


def either(builder: Any, condition: Any, then: Callable[[], list[Any]], other: Callable[[], list[Any]]) -> list[Any]:
    """Return the values that one of two functions makes, chosen at run time by a branch.

    A mask is no substitute: even a load whose mask is empty is waited for, and halves the speed of a product.
    """
    with builder.if_else(condition) as (first, second):
        with first:
            ones, after_ones = then(), builder.block
        with second:
            twos, after_twos = other(), builder.block
    merged = [builder.phi(value.type) for value in ones]
    for phi, one, two in zip(merged, ones, twos, strict=True):
        phi.add_incoming(one, after_ones)
        phi.add_incoming(two, after_twos)
    return merged


def first_that_holds(builder: Any, cases: Sequence[tuple[Callable[[], Any], Callable[[], None]]]) -> None:
    """Run the code of the first case whose condition is true, or that of the last, whose condition is not asked.

    A case is what emits its condition and what emits its code.
    """
    condition, code = cases[0]
    if len(cases) == 1:
        code()
        return
    with builder.if_else(condition()) as (this, others):
        with this:
            code()
        with others:
            first_that_holds(builder, cases[1:])
