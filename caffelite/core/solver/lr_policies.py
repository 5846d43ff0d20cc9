"""Learning rate policies: the rate as a function of the iteration. Source: src/caffe/solvers/sgd_solver.cpp.

Rates are computed in double precision; the solver rounds them to the net's number type.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from caffelite.core.registry import Registry
from caffelite.proto.caffe_pb2 import SolverParameter


class Rate(NamedTuple):
    """A learning rate, and the step that the policy has reached (kept by the solver and in solverstates)."""

    lr: float
    step: int


LrFunction = Callable[[SolverParameter, int, int], Rate]


class LrPolicy(NamedTuple):
    """`rate(param, iteration, step)`, and the solver's fields that it needs to be 1 or more, or 0 or more."""

    rate: LrFunction
    positive: tuple[str, ...]
    not_negative: tuple[str, ...]


LR_POLICIES: Registry[LrPolicy] = Registry("learning rate policy")


def register_lr_policy(
    name: str, positive: tuple[str, ...] = (), not_negative: tuple[str, ...] = ()
) -> Callable[[LrFunction], LrFunction]:
    """Decorate the function of the policy that prototxt calls `name`; the solver checks the fields named."""

    def add(function: LrFunction) -> LrFunction:
        LR_POLICIES.register(name)(LrPolicy(function, positive, not_negative))
        return function

    return add


@register_lr_policy("fixed")
def fixed(param: SolverParameter, iteration: int, step: int) -> Rate:
    """base_lr throughout."""
    return Rate(param.base_lr, step)


@register_lr_policy("step", positive=("stepsize",), not_negative=("gamma",))
def stepped(param: SolverParameter, iteration: int, step: int) -> Rate:
    """base_lr * gamma ^ floor(iteration / stepsize)."""
    reached = iteration // param.stepsize
    return Rate(param.base_lr * _power(param.gamma, reached), reached)


@register_lr_policy("exp", not_negative=("gamma",))
def exponential(param: SolverParameter, iteration: int, step: int) -> Rate:
    """base_lr * gamma ^ iteration."""
    return Rate(param.base_lr * _power(param.gamma, iteration), step)


@register_lr_policy("inv", not_negative=("gamma",))
def inverse(param: SolverParameter, iteration: int, step: int) -> Rate:
    """base_lr * (1 + gamma * iteration) ^ -power."""
    return Rate(param.base_lr * _power(1 + param.gamma * iteration, -param.power), step)


@register_lr_policy("multistep", not_negative=("gamma",))
def multistep(param: SolverParameter, iteration: int, step: int) -> Rate:
    """base_lr * gamma ^ step; the step goes on by one, once for each call, when the next stepvalue is reached."""
    if step < len(param.stepvalue) and iteration >= param.stepvalue[step]:
        step += 1
    return Rate(param.base_lr * _power(param.gamma, step), step)


def multistep_after(param: SolverParameter, iterations: int) -> int:
    """Return the step that `multistep` has reached when so many iterations are done, from the first one on."""
    step, reached = 0, -1
    for value in param.stepvalue:
        reached = max(value, reached + 1)  # one step an iteration
        if reached >= iterations:
            break
        step += 1
    return step


@register_lr_policy("poly", positive=("max_iter",))
def polynomial(param: SolverParameter, iteration: int, step: int) -> Rate:
    """base_lr * (1 - iteration / max_iter) ^ power; 0 beyond max_iter where Caffe's is not a number."""
    left = 1 - iteration / param.max_iter
    if left < 0 and not float(param.power).is_integer():
        return Rate(0.0, step)
    return Rate(param.base_lr * _power(left, param.power), step)


@register_lr_policy("sigmoid", positive=("stepsize",), not_negative=("gamma",))
def sigmoid(param: SolverParameter, iteration: int, step: int) -> Rate:
    """base_lr / (1 + e ^ (-gamma * (iteration - stepsize))): rises from about 0 to base_lr around stepsize."""
    exponent = min(-param.gamma * (iteration - param.stepsize), 700.0)  # e ^ 710 is beyond double precision
    return Rate(param.base_lr / (1 + math.exp(exponent)), step)


def _power(base: float, exponent: float) -> float:
    """C's pow for base >= 0 or whole exponents: infinite where Python raises."""
    try:
        return math.pow(base, exponent)
    except (OverflowError, ValueError):  # too large; 0 to a negative power
        return math.inf
