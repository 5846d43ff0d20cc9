"""Functions of one number (exp, log, tanh, ...), written so that loops over arrays become vector code.

numba calls the C library for each number, which no loop can vectorise. In float32 these are polynomials without a
branch, within 2 units in the last place; NaN and infinities come out as in C. In float64 they are the C library's.
Where a product is added it is written as `fma`: a compiler that may choose fuses one copy of a kernel and not another.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from caffelite.core.kernels.jit.compile import kernel

F32, I32 = np.float32, np.int32

ROUND = F32(12582912.0)  # 1.5 * 2 ** 23: adding it leaves the nearest integer in the low bits
LOG2_E = F32(1.4426950408889634)
LN2_HIGH, LN2_LOW = F32(0.693145751953125), F32(1.428606765330187e-06)  # their sum is ln 2; HIGH has few bits
LOWEST_EXPONENT, HIGHEST_EXPONENT = F32(-104.0), F32(89.0)  # exp is 0 below and infinite above
SMALLEST_NORMAL, INFINITY = F32(2.0**-126), F32(np.inf)
FLAT_32, FLAT_64 = F32(-26 * math.log(2)), -55 * math.log(2)  # below, the number nearest to tanh(x / 2) is -1


@intrinsic
def select(typingctx: Any, condition: Any, first: Any, second: Any) -> Any:
    """Return `first` if `condition` else `second`, without the branch that numba makes of that expression."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(args[0], args[1], args[2])

    return first(types.boolean, first, first), codegen


@intrinsic
def fma(typingctx: Any, factor: Any, other: Any, addend: Any) -> Any:
    """Return factor * other + addend of three float32, rounded once."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), codegen


@intrinsic
def _bits(typingctx: Any, number: Any) -> Any:
    """Return the int32 that has the bits of a float32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@intrinsic
def _from_bits(typingctx: Any, number: Any) -> Any:
    """Return the float32 that has the bits of an int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@kernel
def _expm1_part(r: float) -> Any:
    """Return exp(r) - 1 for |r| <= ln 2 / 2."""
    p = fma(r, F32(0.00019801999), F32(0.0013977921))
    p = fma(r, fma(r, p, F32(0.0083334781)), F32(0.041665722))
    p = fma(r, fma(r, p, F32(0.16666666)), F32(0.5))
    return fma(r * r, p, r)


@kernel
def _power_of_two(n: int) -> Any:
    """Return 2 ** n for -126 <= n <= 127."""
    return _from_bits(I32((n + I32(127)) << I32(23)))


@kernel
def _exp32(x: float) -> Any:
    x = select(x < LOWEST_EXPONENT, LOWEST_EXPONENT, x)
    x = select(x > HIGHEST_EXPONENT, HIGHEST_EXPONENT, x)
    shifted = fma(x, LOG2_E, ROUND)
    n = shifted - ROUND
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))
    power = I32(_bits(shifted) - _bits(ROUND))
    half = I32(power >> I32(1))  # in two steps, since 2 ** power itself may be beyond the range
    return (F32(1) + _expm1_part(r)) * _power_of_two(half) * _power_of_two(I32(power - half))


@kernel
def _log32(x: float) -> Any:
    tiny = x < SMALLEST_NORMAL
    scaled = select(tiny, x * F32(2.0**23), x)
    bits = _bits(scaled)
    exponent = I32((bits - I32(0x3F3504F3)) >> I32(23))  # so that the fraction lies between sqrt(1/2) and sqrt(2)
    f = _from_bits(I32(bits - (exponent << I32(23)))) - F32(1)
    p = fma(f, fma(f, F32(0.067465916), F32(-0.11679651)), F32(0.11890326))
    p = fma(f, fma(f, fma(f, p, F32(-0.12405136)), F32(0.14219224)), F32(-0.16668007))
    p = fma(f, fma(f, fma(f, p, F32(0.20002134)), F32(-0.25000009)), F32(0.33333313))
    n = F32(exponent) - select(tiny, F32(23), F32(0))
    square = f * f
    value = fma(n, LN2_HIGH, f + fma(n, LN2_LOW, fma(square * f, p, F32(-0.5) * square)))
    value = select(x < INFINITY, value, x)  # infinity and NaN
    value = select(x == F32(0), -INFINITY, value)
    return select(x < F32(0), F32(np.nan), value)


@kernel
def _tanh32(x: float) -> Any:
    sign = I32(_bits(x) & I32(-0x80000000))
    size = _from_bits(I32(_bits(x) ^ sign))
    size = select(size > F32(10), F32(10), size)  # from there on the nearest float32 is 1
    twice = size + size
    shifted = fma(twice, LOG2_E, ROUND)
    n = shifted - ROUND
    power = _power_of_two(I32(_bits(shifted) - _bits(ROUND)))
    part = _expm1_part(fma(n, -LN2_LOW, fma(n, -LN2_HIGH, twice)))
    grown = fma(power, part, power - F32(1))  # exp(2 |x|) - 1
    square = size * size
    p = fma(square, fma(square, F32(-0.0059058671), F32(0.020805383)), F32(-0.053786684))
    p = fma(square, fma(square, p, F32(0.13331959)), F32(-0.33333299))
    near_zero = fma(size * square, p, size)
    return _from_bits(I32(_bits(select(size < F32(0.6), near_zero, grown / (grown + F32(2)))) | sign))


@kernel
def _logistic32(x: float) -> Any:
    held = select(x > F32(87), F32(87), select(x < F32(-87), F32(-87), x))  # so that e ** -x is a normal number
    shifted = fma(held, -LOG2_E, ROUND)
    n = shifted - ROUND
    power = _power_of_two(I32(_bits(shifted) - _bits(ROUND)))
    part = _expm1_part(fma(n, -LN2_LOW, fma(n, -LN2_HIGH, -held)))
    value = F32(1) / (F32(1) + fma(part, power, power))
    return select(x < F32(-87), F32(0), value)


def exp(x: Any) -> Any:
    """Return e ** x; for kernels."""
    return math.exp(x)


def log(x: Any) -> Any:
    """Return the natural logarithm, -inf at 0 and NaN below; for kernels."""
    return math.log(x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent; for kernels."""
    return math.tanh(x)


def logistic(x: Any) -> Any:
    """Return 1 / (1 + e ** -x), as precise far below 0 as elsewhere; for kernels.

    In float32 a good deal faster than by way of `exp`, which has to care for numbers beyond the normal ones; where the
    result would be below 1e-38 it is 0.
    """
    return 1 / (1 + math.exp(-x))


def sigmoid(x: Any) -> Any:
    """Return `logistic`, but 0 where Caffe's form of it, 0.5 * tanh(0.5 * x) + 0.5, rounds to 0; for kernels."""
    return 0.0 if x < FLAT_64 else logistic(x)


@overload(exp)
def _exp(x: Any) -> Any:
    def single(x: Any) -> Any:
        return _exp32(x)

    def double(x: Any) -> Any:
        return math.exp(x)

    return single if x == types.float32 else double


@overload(log)
def _log(x: Any) -> Any:
    def single(x: Any) -> Any:
        return _log32(x)

    def double(x: Any) -> Any:
        return math.log(x)

    return single if x == types.float32 else double


@overload(tanh)
def _tanh(x: Any) -> Any:
    def single(x: Any) -> Any:
        return _tanh32(x)

    def double(x: Any) -> Any:
        return math.tanh(x)

    return single if x == types.float32 else double


@overload(logistic)
def _logistic(x: Any) -> Any:
    def single(x: Any) -> Any:
        return _logistic32(x)

    def double(x: Any) -> Any:
        return 1.0 / (1.0 + math.exp(-x))

    return single if x == types.float32 else double


@overload(sigmoid)
def _sigmoid(x: Any) -> Any:
    def single(x: Any) -> Any:
        return select(x < FLAT_32, F32(0), _logistic32(x))

    def double(x: Any) -> Any:
        return select(x < FLAT_64, 0.0, logistic(x))

    return single if x == types.float32 else double
