"""The update of Nesterov: see update.py for what all updates have in common."""

from typing import Any

import numpy as np

from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.updates.sgd import gradient_of, sum_of_squares

Array = np.ndarray[Any, np.dtype[Any]]


@kernel
def _nesterov_piece(
    data: Array, diff: Array, history: Array, rate: Any, decay: Any, momentum: Any, l1: bool, scale: Any
) -> None:
    for i in range(data.size):
        before = history[i]
        after = momentum * before + rate * gradient_of(data[i], diff[i], decay, l1, scale)
        step = after + momentum * (after - before)
        history[i] = after
        diff[i] = step
        data[i] -= step


@parallel_kernel
def nesterov_update(
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
    """Do one step of Nesterov's method.

    h0 = h; h <- momentum * h + rate * g, update (1 + momentum) * h - momentum * h0.
    """
    count = pieces.shape[0]
    for number in range(count * worker // workers, count * (worker + 1) // workers):
        start, stop, param = pieces[number, 0], pieces[number, 1], pieces[number, 2]
        part = data[start:stop]
        _nesterov_piece(part, diff[start:stop], history[start:stop], rates[param], decays[param], momentum, l1, scale)
        sums[number] = sum_of_squares(part)
