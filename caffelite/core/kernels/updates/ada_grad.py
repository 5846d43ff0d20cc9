"""The update of AdaGrad: see update.py for what all updates have in common."""

from typing import Any

import numpy as np

from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.updates.sgd import gradient_of, sum_of_squares

Array = np.ndarray[Any, np.dtype[Any]]


@kernel
def _ada_grad_piece(
    data: Array, diff: Array, history: Array, rate: Any, decay: Any, delta: Any, l1: bool, scale: Any
) -> None:
    for i in range(data.size):
        gradient = gradient_of(data[i], diff[i], decay, l1, scale)
        squares = history[i] + gradient * gradient
        step = rate * (gradient / (np.sqrt(squares) + delta))
        history[i] = squares
        diff[i] = step
        data[i] -= step


@parallel_kernel
def ada_grad_update(
    data: Array,
    diff: Array,
    history: Array,
    pieces: Array,
    sums: Array,
    rates: Array,
    decays: Array,
    delta: Any,
    l1: bool,
    scale: Any,
    worker: int,
    workers: int,
) -> None:
    """Do one step of AdaGrad: h <- h + g^2, update rate * g / (sqrt(h) + delta)."""
    count = pieces.shape[0]
    for number in range(count * worker // workers, count * (worker + 1) // workers):
        start, stop, param = pieces[number, 0], pieces[number, 1], pieces[number, 2]
        part = data[start:stop]
        _ada_grad_piece(part, diff[start:stop], history[start:stop], rates[param], decays[param], delta, l1, scale)
        sums[number] = sum_of_squares(part)
