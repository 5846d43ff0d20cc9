"""Learning rate policies: the rate as a function of the iteration. Source: src/caffe/solvers/sgd_solver.cpp.

Rates are computed in double precision; the solver rounds them to the net's number type. "plateau", "pieces" and the
warm-up are ours.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from caffelite.core.registry import Registry
from caffelite.proto.caffe_pb2 import LrPiece, SolverParameter


class Rate(NamedTuple):
    """A learning rate, and the step that the policy has reached (kept by the solver and in solverstates)."""

    lr: float
    step: int


LrFunction = Callable[[SolverParameter, int, int], Rate]


class LrPolicy(NamedTuple):
    """`rate(param, iteration, step)`, and the solver's fields that it reads: 1 or more, 0 or more, or of any value."""

    rate: LrFunction
    positive: tuple[str, ...]
    not_negative: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """All these fields."""
        return (*self.positive, *self.not_negative, *self.others)


LR_POLICIES: Registry[LrPolicy] = Registry("learning rate policy")


def register_lr_policy(
    name: str, positive: tuple[str, ...] = (), not_negative: tuple[str, ...] = (), others: tuple[str, ...] = ()
) -> Callable[[LrFunction], LrFunction]:
    """Decorate the function of the policy that prototxt calls `name`; the solver checks the fields named."""

    def add(function: LrFunction) -> LrFunction:
        LR_POLICIES.register(name)(LrPolicy(function, positive, not_negative, others))
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


@register_lr_policy("inv", not_negative=("gamma",), others=("power",))
def inverse(param: SolverParameter, iteration: int, step: int) -> Rate:
    """base_lr * (1 + gamma * iteration) ^ -power."""
    return Rate(param.base_lr * _power(1 + param.gamma * iteration, -param.power), step)


@register_lr_policy("multistep", not_negative=("gamma",), others=("stepvalue",))
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


@register_lr_policy("poly", positive=("max_iter",), others=("power",))
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


@register_lr_policy("plateau", others=("gamma",))
def plateau(param: SolverParameter, iteration: int, step: int) -> Rate:
    """base_lr * gamma ^ step, not below min_lr; the solver counts the step on when tests get no better."""
    lowest = min(param.lr_plateau.min_lr, param.base_lr)
    return Rate(max(param.base_lr * _power(param.gamma, step), lowest), step)


@register_lr_policy("pieces")
def pieces(param: SolverParameter, iteration: int, step: int) -> Rate:
    """Rate of the piece that the iteration is in, on its way to end_lr; after the last piece, what it ended with."""
    begin = 0
    for piece in param.lr_piece:
        if not piece.HasField("until"):
            return Rate(piece.lr, step)
        if iteration < piece.until:
            return Rate(_rate_in(piece, (iteration - begin) / (piece.until - begin)), step)
        begin = piece.until
    return Rate(_rate_in(param.lr_piece[-1], 1.0), step)


def _rate_in(piece: LrPiece, share: float) -> float:
    """Return the rate of a piece when this share of it is done."""
    if not piece.HasField("end_lr"):
        return piece.lr
    if piece.shape == LrPiece.GEOMETRIC:
        return piece.lr * _power(piece.end_lr / piece.lr, share)
    done = (1 - math.cos(math.pi * share)) / 2 if piece.shape == LrPiece.COSINE else share
    return piece.lr + (piece.end_lr - piece.lr) * done


def warmup_factor(param: SolverParameter, iteration: int) -> float:
    """Return what lr_warmup multiplies the rate of any policy by: 1 without it, and when it is over."""
    if not param.HasField("lr_warmup"):
        return 1.0
    share = min(iteration / param.lr_warmup.iterations, 1.0)
    return param.lr_warmup.start + (1 - param.lr_warmup.start) * share


def _power(base: float, exponent: float) -> float:
    """C's pow for base >= 0 or whole exponents: infinite where Python raises."""
    try:
        return math.pow(base, exponent)
    except (OverflowError, ValueError):  # too large; 0 to a negative power
        return math.inf
