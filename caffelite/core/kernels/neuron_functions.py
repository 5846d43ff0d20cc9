"""Functions of one number, and their gradients, over whole arrays. float32 and float64; outputs may be inputs.

A function is a NamedTuple of its numbers with two small rules: `@value_of` and `@gradient_of`. The loops exist once and
are compiled for each function that is used. Arrays are C-contiguous and of one size; their shapes do not matter.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from caffelite.core.kernels.ir.math import F32, exp, fma, log, logistic, select, sigmoid, tanh
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]
Rule = Callable[..., Any]

BLOCK = 2048
ONE, TWO, SIX = F32(1), F32(2), F32(6)  # exact in float64, too

_VALUES: dict[type, Rule] = {}
_GRADIENTS: dict[type, Rule] = {}
_GRADIENT_WORK: dict[type, int] = {}


def forward(function: Any, bottom: Array, kept: Array, top: Array) -> None:
    """Fill top, which may be bottom, with the function's values; if `kept` is not bottom, copy bottom there first."""
    form(_forward, 4 * bottom.size)(_numbers(function, bottom), bottom.reshape(-1), kept.reshape(-1), top.reshape(-1))


def backward(function: Any, bottom: Array, top_diff: Array, bottom_diff: Array) -> None:
    """Fill bottom_diff, which may be top_diff, with top_diff times the function's slope at bottom.

    `bottom` is the top where the function says so.
    """
    form(_backward, _GRADIENT_WORK[type(function)] * bottom.size)(
        _numbers(function, bottom), bottom.reshape(-1), top_diff.reshape(-1), bottom_diff.reshape(-1)
    )


def _numbers(function: Any, values: Array) -> Any:
    """Return the function with its numbers in the type of `values`."""
    return type(function)(*map(values.dtype.type, function)) if function else function


def value_of(kind: type) -> Callable[[Rule], Rule]:
    """Decorate the rule (function, x) -> y of a NamedTuple."""
    return lambda rule: _VALUES.setdefault(kind, rule)


def gradient_of(kind: type, work: int = 4) -> Callable[[Rule], Rule]:
    """Decorate the rule (function, x, dy) -> dx of a NamedTuple; `work` is how many sums take its time."""
    _GRADIENT_WORK[kind] = work
    return lambda rule: _GRADIENTS.setdefault(kind, rule)


def _value(function: Any, x: Any) -> Any:
    return _VALUES[type(function)](function, x)


def _gradient(function: Any, x: Any, dy: Any) -> Any:
    return _GRADIENTS[type(function)](function, x, dy)


@overload(_value, strict=False)
def _compiled_value(function: Any, x: Any) -> Any:
    return _VALUES[function.instance_class]


@overload(_gradient, strict=False)
def _compiled_gradient(function: Any, x: Any, dy: Any) -> Any:
    return _GRADIENTS[function.instance_class]


def zero_of(x: Any) -> Any:
    """Return 0 in the type of x."""
    return x.dtype.type(0)


@overload(zero_of)
def _compiled_zero(x: Any) -> Any:
    def zero(x: Any) -> Any:
        return kind(0)

    kind = x
    return zero


@parallel_kernel
def _forward(function: Any, bottom: Array, kept: Array, top: Array, worker: int, workers: int) -> None:
    _forward_part(function, bottom, kept, top, worker, workers)


@kernel
def _forward_part(function: Any, bottom: Array, kept: Array, top: Array, worker: int, workers: int) -> None:
    """Values go to a buffer first: where top may be bottom, the compiler would give up vector code."""
    buffer = np.empty(BLOCK, bottom.dtype)
    begin, end = share_of(bottom.size, worker, workers)
    keep = kept.ctypes.data != bottom.ctypes.data
    for at in range(begin, end, np.uintp(BLOCK)):
        count = min(np.uintp(BLOCK), end - at)
        for i in range(count):
            buffer[i] = _value(function, bottom[at + i])
        if keep:
            for i in range(count):
                kept[at + i] = bottom[at + i]
        copy_back(buffer, count, top, at)


@parallel_kernel
def _backward(function: Any, bottom: Array, top_diff: Array, bottom_diff: Array, worker: int, workers: int) -> None:
    _backward_part(function, bottom, top_diff, bottom_diff, worker, workers)


@kernel
def _backward_part(
    function: Any, bottom: Array, top_diff: Array, bottom_diff: Array, worker: int, workers: int
) -> None:
    buffer = np.empty(BLOCK, bottom.dtype)
    begin, end = share_of(bottom.size, worker, workers)
    for at in range(begin, end, np.uintp(BLOCK)):
        count = min(np.uintp(BLOCK), end - at)
        for i in range(count):
            buffer[i] = _gradient(function, bottom[at + i], top_diff[at + i])
        copy_back(buffer, count, bottom_diff, at)


@kernel
def copy_back(buffer: Array, count: int, target: Array, at: int) -> None:
    """Copy the first `count` elements of buffer to target, from element `at` on."""
    for i in range(count):
        target[at + i] = buffer[i]


class AbsVal(NamedTuple):
    """|x|; the slope at 0 is 0."""


@value_of(AbsVal)
def _absval(function: Any, x: Any) -> Any:
    return abs(x)


@gradient_of(AbsVal)
def _absval_gradient(function: Any, x: Any, dy: Any) -> Any:
    return select(x > 0, dy, select(x < 0, -dy, zero_of(x)))


@kernel
def _log_1_plus_32(e: float) -> Any:
    """Return log(1 + e) for 0 <= e <= 1: 2 * artanh(e / (2 + e)) as a series, the next term being below 1e-8."""
    z = e / (TWO + e)
    w = z * z
    p = fma(w, fma(w, fma(w, F32(1 / 13), F32(1 / 11)), F32(1 / 9)), F32(1 / 7))
    return (z + z) * fma(w, fma(w, fma(w, p, F32(1 / 5)), F32(1 / 3)), ONE)


def _log_1_plus(e: Any) -> Any:
    return math.log1p(e)


@overload(_log_1_plus)
def _compiled_log_1_plus(e: Any) -> Any:
    """`log` after `exp` is more than the compiler makes vector code of."""

    def single(e: Any) -> Any:
        return _log_1_plus_32(e)

    def double(e: Any) -> Any:
        return math.log1p(e)

    return single if e == types.float32 else double


class BNLL(NamedTuple):
    """log(1 + e ** x), without overflow."""


@value_of(BNLL)
def _bnll(function: Any, x: Any) -> Any:
    return select(x > 0, x, zero_of(x)) + _log_1_plus(exp(-abs(x)))


@gradient_of(BNLL)
def _bnll_gradient(function: Any, x: Any, dy: Any) -> Any:
    return dy * logistic(x)


class BReLU(NamedTuple):
    """min(max(x, minval), maxval); NaN stays, and there is a slope strictly between the bounds only."""

    minval: float
    maxval: float


@value_of(BReLU)
def _brelu(function: Any, x: Any) -> Any:
    above = select(x < function.minval, function.minval, x)
    return select(above > function.maxval, function.maxval, above)


@gradient_of(BReLU)
def _brelu_gradient(function: Any, x: Any, dy: Any) -> Any:
    return select((x > function.minval) & (x < function.maxval), dy, zero_of(x))


class Clip(NamedTuple):
    """max(min, min(x, max)), which is `min` for NaN; the slope is 1 at both bounds."""

    min: float
    max: float


@value_of(Clip)
def _clip(function: Any, x: Any) -> Any:
    below = select(x > function.max, function.max, x)
    return select(below > function.min, below, function.min)


@gradient_of(Clip)
def _clip_gradient(function: Any, x: Any, dy: Any) -> Any:
    return select((x >= function.min) & (x <= function.max), dy, zero_of(x))


class ELU(NamedTuple):
    """x where it is positive, alpha * (e ** x - 1) elsewhere."""

    alpha: float


@value_of(ELU)
def _elu(function: Any, x: Any) -> Any:
    return select(x > 0, x, function.alpha * (exp(x) - ONE))


@gradient_of(ELU)
def _elu_gradient(function: Any, x: Any, dy: Any) -> Any:
    return select(x > 0, dy, dy * (function.alpha * exp(x)))


class Exp(NamedTuple):
    """factor * e ** (scale * x)."""

    factor: float
    scale: float


@value_of(Exp)
def _exp(function: Any, x: Any) -> Any:
    return function.factor * exp(function.scale * x)


@gradient_of(Exp)
def _exp_gradient(function: Any, x: Any, dy: Any) -> Any:
    return dy * (function.factor * exp(function.scale * x)) * function.scale


class Log(NamedTuple):
    """factor * log(shift + scale * x)."""

    factor: float
    scale: float
    shift: float


@value_of(Log)
def _log(function: Any, x: Any) -> Any:
    return function.factor * log(function.shift + function.scale * x)


@gradient_of(Log)
def _log_gradient(function: Any, x: Any, dy: Any) -> Any:
    return dy * (function.factor * function.scale) / (function.shift + function.scale * x)


class Linear(NamedTuple):
    """Shift + scale * x."""

    scale: float
    shift: float


@value_of(Linear)
def _linear(function: Any, x: Any) -> Any:
    return function.shift + function.scale * x


@gradient_of(Linear)
def _linear_gradient(function: Any, x: Any, dy: Any) -> Any:
    return dy * function.scale


class Square(NamedTuple):
    """(shift + scale * x) ** 2."""

    scale: float
    shift: float


@value_of(Square)
def _square(function: Any, x: Any) -> Any:
    base = function.shift + function.scale * x
    return base * base


@gradient_of(Square)
def _square_gradient(function: Any, x: Any, dy: Any) -> Any:
    return dy * (TWO * function.scale * (function.shift + function.scale * x))


class Power(NamedTuple):
    """(shift + scale * x) ** power; `sign` is (-1) ** power: 1 or -1, or NaN where power is no whole number."""

    power: float
    scale: float
    shift: float
    sign: float


@value_of(Power)
def _power(function: Any, x: Any) -> Any:
    base = function.shift + function.scale * x
    size = exp(function.power * log(abs(base)))
    return select(base < 0, function.sign * size, size)


@gradient_of(Power)
def _power_gradient(function: Any, x: Any, dy: Any) -> Any:
    base = function.shift + function.scale * x
    size = function.power * function.scale * exp((function.power - ONE) * log(abs(base)))
    return dy * select(base < 0, -function.sign * size, size)


class ReLU6(NamedTuple):
    """min(max(x, 0) + negative_slope * min(x, 0), 6); the slope is 0 from there on."""

    negative_slope: float


@value_of(ReLU6)
def _relu6(function: Any, x: Any) -> Any:
    value = select(x < 0, zero_of(x), x) + function.negative_slope * select(x > 0, zero_of(x), x)
    return select(value > SIX, zero_of(x) + SIX, value)


@gradient_of(ReLU6)
def _relu6_gradient(function: Any, x: Any, dy: Any) -> Any:
    below = dy * function.negative_slope
    return select(x > 0, select(x < SIX, dy, zero_of(x)), select(function.negative_slope * x < SIX, below, zero_of(x)))


class Sigmoid(NamedTuple):
    """1 / (1 + e ** -x). The slope's rule takes the value y in place of x."""


@value_of(Sigmoid)
def _sigmoid(function: Any, x: Any) -> Any:
    return sigmoid(x)


@gradient_of(Sigmoid, work=1)
def _sigmoid_gradient(function: Any, y: Any, dy: Any) -> Any:
    return dy * y * (ONE - y)


class Swish(NamedTuple):
    """x * sigmoid(beta * x)."""

    beta: float


@value_of(Swish)
def _swish(function: Any, x: Any) -> Any:
    return x * logistic(function.beta * x)


@gradient_of(Swish)
def _swish_gradient(function: Any, x: Any, dy: Any) -> Any:
    share = logistic(function.beta * x)
    return dy * (share + function.beta * x * share * (ONE - share))


class TanH(NamedTuple):
    """The hyperbolic tangent. The slope's rule takes the value y in place of x."""


@value_of(TanH)
def _tanh(function: Any, x: Any) -> Any:
    return tanh(x)


@gradient_of(TanH, work=1)
def _tanh_gradient(function: Any, y: Any, dy: Any) -> Any:
    return dy * (ONE - y * y)


class Threshold(NamedTuple):
    """1 where x > threshold, else 0; there is no slope."""

    threshold: float


@value_of(Threshold)
def _threshold(function: Any, x: Any) -> Any:
    return select(x > function.threshold, ONE + zero_of(x), zero_of(x))
