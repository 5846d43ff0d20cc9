"""Parameter updates over an arena: weight decay, momentum and the step itself in one pass over memory.

An arena's parameters are cut into pieces (`cut`), so that each worker streams through its own. All arrays are flat and
of one number type; scalars must be of that type, too, else numba computes in float64. Rules other than SGD's have files
of their own beside this one; every rule's kernel begins with the same arguments:

data, diff: values and gradients; diff becomes the update, which is subtracted from data.
histories: what the rule remembers, one or two arrays laid out as data.
pieces: what `cut` returned.
sums: (pieces), becomes the sum of squares of each piece of the new data, so that nan and infinity are seen at once.
rates, decays: learning rate and weight decay of each parameter.
l1, scale: the gradient g is scale * diff + decay * data, or + decay * sign(data) if `l1`.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.sums import sum_squares
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel

Array = np.ndarray[Any, np.dtype[Any]]

PIECE = 16384  # elements of a piece: three arrays of it fit in L2


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


@kernel
def _sgd_piece(
    data: Array, diff: Array, history: Array, rate: Any, decay: Any, momentum: Any, l1: bool, scale: Any
) -> None:
    for i in range(data.size):
        step = momentum * history[i] + rate * gradient_of(data[i], diff[i], decay, l1, scale)
        history[i] = step
        diff[i] = step
        data[i] -= step


@parallel_kernel
def sgd_update(
    data: Array,
    diff: Array,
    history: Array,
    pieces: Array,
    sums: Array,
    rates: Array,
    decays: Array,
    momentum: Any,
    l1: bool,
    scale: Any,
    worker: int,
    workers: int,
) -> None:
    """Do one step of SGD: h <- momentum * h + rate * g, update h."""
    count = pieces.shape[0]
    for number in range(count * worker // workers, count * (worker + 1) // workers):
        start, stop, param = pieces[number, 0], pieces[number, 1], pieces[number, 2]
        part = data[start:stop]
        _sgd_piece(part, diff[start:stop], history[start:stop], rates[param], decays[param], momentum, l1, scale)
        sums[number] = sum_of_squares(part)


@parallel_kernel
def sums_of_squares(values: Array, pieces: Array, sums: Array, worker: int, workers: int) -> None:
    """Set sums[i] to the sum of squares of piece i, so that their sum does not depend on the number of threads."""
    count = pieces.shape[0]
    for number in range(count * worker // workers, count * (worker + 1) // workers):
        sums[number] = sum_of_squares(values[pieces[number, 0] : pieces[number, 1]])
