"""The learning rate range test: train for a few iterations with a growing rate, and see what the loss does.

After Leslie N. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017; with rates that grow by equal
factors and an end when the loss explodes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from caffelite.core import container, events
from caffelite.core.errors import SolverError
from caffelite.core.format import number
from caffelite.core.prototxt.lines import where
from caffelite.core.solver.rules.sgd import SGDSolver
from caffelite.core.weights.state_values import pack, unpack

START, END, ITERATIONS = 1e-6, 10.0, 200
SMOOTHING = 0.9  # of the smoothed loss is kept at each iteration
EXPLODED = 4.0  # times the lowest smoothed loss so far
BEGINNING = 0.1  # of the iterations: their mean loss is what the loss falls from; one batch's would be an accident
FALLEN = 0.95  # of that: what the smoothed loss has to fall below for a suggestion
# How many times its standard error the fall has to be: the loss differs from batch to batch, and of 180 smoothed losses
# the lowest lies low by chance. Of 2,000 tests on 200 losses of pure noise (normal, exponential, lognormal) 54 to 94 in
# a hundred passed FALLEN alone, at most 1 passes both. Seven solvers with four seeds each have 6 to 230 times.
BEYOND = 4.0
# Of the whole fall of the smoothed loss: when it has come so far, the rate is the one suggested. With 200 iterations
# and the seeds 1 to 4, lenet_digits got 0.017 to 0.029 and lenet_small_digits 0.020 to 0.029, where 0.01 to 0.02 train
# best and 0.04 or 0.06 fail; autoencoder half of its own rate, lstm_sequence, whose loss long stands still, a fiftieth.
# A tenth of the rate of the lowest loss varied 2 to 35 times between seeds, and 0.8 or more was at times too large.
SHARE = 0.75


@dataclass
class RangeTest:
    """What a range test found, one entry an iteration: the rate, the loss before its update, and the smoothed loss.

    end: why it ended. suggested: a rate to begin with, None if the test shows none; reason: how it was chosen, or why
    there is none.
    """

    lrs: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    smoothed: list[float] = field(default_factory=list)
    end: str = ""
    suggested: float | None = None
    reason: str = ""

    @property
    def beginning(self) -> int:
        """How many iterations, a tenth of all or 1, count as the beginning, in which the loss is not judged."""
        return max(1, int(BEGINNING * len(self.losses)))

    @property
    def lowest(self) -> int:
        """The iteration of the lowest smoothed loss, from the end of the beginning on."""
        later = range(self.beginning - 1, len(self.smoothed))
        return min(later, key=lambda i: self.smoothed[i], default=0)


def range_test(solver: Any, start: float = START, end: float = END, iterations: int = ITERATIONS) -> RangeTest:
    """Train with rates from `start` to `end`, less where the loss explodes; afterwards the solver is as it was.

    Callbacks and listeners of the solver are not called. What the training net's other blobs hold changes, and so does
    what a Python layer keeps without get_state and set_state. Raises SolverError for numbers that cannot work, and for
    layers that write files.
    """
    if not 0 < start < end < math.inf:
        raise SolverError(f"the rates go from {start:g} to {end:g}; use two numbers above 0 that grow")
    if iterations < 2:
        raise SolverError(f"the number of iterations is {iterations}; use 2 or more")
    if not isinstance(solver, SGDSolver):
        raise SolverError(f"a solver of type {solver.type} takes no learning rate from outside; use one of ours")
    for layer in solver.net.core_layers:
        if layer.writes_files:
            text = "it writes a file, which a range test would change; give it include { phase: TEST }"
            raise SolverError(f'{where(layer.place)}layer "{layer.name}" ({layer.type}): {text}')
    found = RangeTest()
    with unchanged(solver):
        mean = 0.0
        for iteration in range(iterations):
            solver.fixed_lr = start * (end / start) ** (iteration / (iterations - 1))
            solver.net.clear_param_diffs()
            loss = solver.forward_backward()
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            found.lrs.append(solver.lr)
            found.losses.append(loss)
            found.smoothed.append(mean / (1 - SMOOTHING ** (iteration + 1)))
            found.end = _exploded(found)
            if found.end:
                break
            solver.apply_update()
    found.end = found.end or "the largest rate is reached"
    suggest(found)
    return found


def _exploded(found: RangeTest) -> str:
    loss, smoothed = found.losses[-1], found.smoothed[-1]
    if not math.isfinite(smoothed):
        found.smoothed[-1] = math.inf  # also where it is nan, so that it is not the lowest
        return f"the loss is {loss:g}"
    lowest = min(found.smoothed)
    if smoothed > EXPLODED * lowest > 0:
        return f"the smoothed loss, {number(smoothed)}, is over {EXPLODED:g} times its lowest"
    return ""


def suggest(found: RangeTest) -> None:
    """Choose the rate at which the smoothed loss had come three quarters of its way down, if it fell at all."""
    begin = found.beginning
    first, lowest = sum(found.losses[:begin]) / begin, found.smoothed[found.lowest]
    if not math.isfinite(lowest):
        found.reason = f"the first loss is {first:g}, before any update"
        return
    if not (found.lowest > 0 and lowest < first - (1 - FALLEN) * abs(first)):
        ends = f"it began with {number(first)}, its lowest is {number(lowest)}"
        found.reason = f"the smoothed loss did not fall by {1 - FALLEN:.0%}: {ends}"
        return
    if first - lowest <= BEYOND * _standard_error(found):
        found.reason = (
            f"the smoothed loss fell from {number(first)} to {number(lowest)}, not beyond the spread of the losses of "
            f"single iterations; more iterations or larger batches may show more"
        )
        return
    level = first - SHARE * (first - lowest)
    reached = next(i for i in range(begin - 1, found.lowest + 1) if found.smoothed[i] <= level)
    found.suggested = found.lrs[reached]
    found.reason = (
        f"there the smoothed loss had come three quarters of its way down from {number(first)} to {number(lowest)}, "
        f"its lowest, at {found.lrs[found.lowest]:.3g}"
    )
    if found.lowest == len(found.lrs) - 1:
        found.reason += "; the loss was still falling there: try a larger end"


def _standard_error(found: RangeTest) -> float:
    """Return that of the difference of the beginning's mean loss and the lowest smoothed loss, if rates did nothing.

    The standard deviation of one iteration's loss is taken from the mean difference of two successive ones, which is
    2 / sqrt(pi) of it where the losses are normally distributed; what the loss falls from batch to batch hardly counts.
    """
    deviation = float(np.abs(np.diff(found.losses[: found.lowest + 1])).mean()) * math.sqrt(math.pi) / 2
    rest = SMOOTHING ** (found.lowest + 1)
    squares = (1 - SMOOTHING) / (1 + SMOOTHING) * (1 + rest) / (1 - rest)  # of the weights in the smoothed loss
    return deviation * math.sqrt(1 / found.beginning + squares)


@contextmanager
def unchanged(solver: SGDSolver) -> Iterator[None]:
    """Let the solver run; when the block ends, its parameters, gradients, histories, layers and numbers are as before.

    Listeners hear nothing meanwhile, and values that are no numbers do not end the run.
    """
    net = solver.net
    arrays = [net.arena.data, net.arena.diff, *solver.histories]
    container.require(sum(array.nbytes for array in arrays), "a copy of the parameters, gradients and histories")
    copies = [array.copy() for array in arrays]
    states, passes, debug_info = pack(net.get_state()), net.context.passes, net.debug_info
    numbers = {name: getattr(solver, name) for name in ("_iter", "current_step", "_held", "on_nan", "events")}
    solver.events, solver.on_nan, net.debug_info = events.Events(), "ignore", False
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    finally:
        solver.fixed_lr = None
        for name, value in numbers.items():
            setattr(solver, name, value)
        for array, copy in zip(arrays, copies, strict=True):
            array[...] = copy
        net.context.passes, net.debug_info = passes, debug_info
        net.set_state(unpack(states))
