"""One pass over an arena that updates its parameters: what all update rules share.

Clipping, iter_size and weight decay make the gradient; the rule makes a step of it, which is subtracted from the data;
the new data's sums of squares tell whether all of it is finite. A rule is a function of one element, in a file of its
own beside this one:

    @update_kernel
    def sgd_update(gradient, histories, i, rate, settings):
        step = settings.momentum * histories[0][i] + rate * gradient
        histories[0][i] = step
        return step

A rule whose histories hold squares of gradients says which one does, `@partial(update_kernel, squares=1)`: where a
square overflows, the parameter would stand still for ever, and its data do not tell.

An arena's parameters are cut into pieces (`cut`), so that each worker streams through its own. All arrays are flat and
of one number type; scalars must be of that type, too, else numba computes in float64. A kernel's arguments are:

data, diff: values and gradients; diff becomes the update, which is subtracted from data.
histories: a tuple of what the rule remembers, one or two arrays laid out as data.
pieces: what `cut` returned.
sums: (pieces), becomes the sum of squares of each piece of the new data, plus the sum of the history of squares if
the rule has one, so that nan and infinity are seen at once.
rates, decays: learning rate and weight decay of each parameter.
l1, scale: the gradient g is scale * diff + decay * data, or + decay * sign(data) if `l1`.
settings: a NamedTuple of the rule's own numbers.
"""

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from caffelite.core.kernels.ir.sums import sum_squares, sum_values
from caffelite.core.kernels.jit.compile import ParallelKernel, kernel, parallel_kernel
from caffelite.core.kernels.sharing import share_of

Array = np.ndarray[Any, np.dtype[Any]]

PIECE = 16384  # elements of a piece: three arrays of it fit in L2
NO_SQUARES = -1


def cut(offsets: list[int], counts: list[int]) -> Array:
    """Return (pieces, 3) int64: start, stop and parameter number of each piece of the parameters' ranges."""
    pieces = [
        (offset + start, offset + min(start + PIECE, count), number)
        for number, (offset, count) in enumerate(zip(offsets, counts, strict=True))
        for start in range(0, count, PIECE)
    ]
    return np.array(pieces, np.int64).reshape(-1, 3)


@kernel
def gradient_of(value: Any, diff: Any, decay: Any, l1: bool, scale: Any) -> Any:
    """Return the gradient of one element: scaled, and with weight decay."""
    gradient = scale * diff
    if decay != 0:  # not left to decay * value: 0 * inf is nan
        gradient += decay * np.sign(value) if l1 else decay * value
    return gradient


@kernel
def sum_of_squares(values: Array) -> Any:
    """Return the sum of squares in the number type of `values`; not finite if any value is not."""
    return sum_squares(values, 0, values.size)


def update_kernel(rule: Callable[..., Any], squares: int = NO_SQUARES) -> ParallelKernel:
    """Make the kernel of an update rule from rule(gradient, histories, i, rate, settings) -> step.

    The rule computes element i alone: it reads and overwrites its histories there, and returns what is subtracted from
    the parameter. `squares` is the index of the history of squared gradients.
    """
    # The kernel cache cannot keep closures, so the rule is a global of a copy of the loop: by it the cache finds the
    # rule's file, whose changes count, and by the copy's name it tells the rules' machine code apart.
    scope = {**globals(), "__name__": rule.__module__, "_rule": kernel(rule), "_squares": squares}
    loop = types.FunctionType(_update.__code__, scope, rule.__name__)
    loop.__qualname__ = f"{rule.__module__}.{rule.__qualname__}"
    loop.__doc__ = rule.__doc__
    return parallel_kernel(loop)


_squares = NO_SQUARES  # stands for each rule's in `_update`, as `_rule` does


def _rule(gradient: Any, histories: Any, i: Any, rate: Any, settings: Any) -> Any:
    """Stand for the rule in `_update`, of which each kernel has a copy."""
    raise NotImplementedError


def _update(
    data: Array,
    diff: Array,
    histories: tuple[Array, ...],
    pieces: Array,
    sums: Array,
    rates: Array,
    decays: Array,
    l1: bool,
    scale: Any,
    settings: Any,
    worker: int,
    workers: int,
) -> None:
    first, last = share_of(pieces.shape[0], worker, workers)
    for number in range(first, last):
        start, stop, param = np.uintp(pieces[number, 0]), np.uintp(pieces[number, 1]), pieces[number, 2]
        rate, decay = rates[param], decays[param]
        for i in range(start, stop):
            step = _rule(gradient_of(data[i], diff[i], decay, l1, scale), histories, i, rate, settings)
            diff[i] = step
            data[i] -= step
        sums[number] = sum_of_squares(data[start:stop])
        if _squares != NO_SQUARES:
            history = histories[_squares][start:stop]
            sums[number] += sum_values(history, 0, history.size)


@parallel_kernel
def sums_of_squares(values: Array, pieces: Array, sums: Array, worker: int, workers: int) -> None:
    """Set sums[i] to the sum of squares of piece i, so that their sum does not depend on the number of threads."""
    first, last = share_of(pieces.shape[0], worker, workers)
    for number in range(first, last):
        sums[number] = sum_of_squares(values[pieces[number, 0] : pieces[number, 1]])
