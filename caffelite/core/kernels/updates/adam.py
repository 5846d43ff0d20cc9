"""The update of Adam: see update.py for what all updates have in common."""

from typing import Any

import numpy as np

from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.updates.sgd import gradient_of, sum_of_squares

Array = np.ndarray[Any, np.dtype[Any]]


@kernel
def _adam_piece(
    data: Array,
    diff: Array,
    first: Array,
    second: Array,
    rate: Any,
    decay: Any,
    momentum: Any,
    rest: Any,
    momentum2: Any,
    rest2: Any,
    delta: Any,
    l1: bool,
    scale: Any,
) -> None:
    for i in range(data.size):
        gradient = gradient_of(data[i], diff[i], decay, l1, scale)
        mean = momentum * first[i] + rest * gradient
        square = momentum2 * second[i] + rest2 * (gradient * gradient)
        step = rate * (mean / (np.sqrt(square) + delta))
        first[i] = mean
        second[i] = square
        diff[i] = step
        data[i] -= step


@parallel_kernel
def adam_update(
    data: Array,
    diff: Array,
    first: Array,
    second: Array,
    pieces: Array,
    sums: Array,
    rates: Array,
    decays: Array,
    momentum: Any,
    rest: Any,
    momentum2: Any,
    rest2: Any,
    delta: Any,
    l1: bool,
    scale: Any,
    worker: int,
    workers: int,
) -> None:
    """Do one step of Adam; `first` and `second` are the histories m and v, `rates` hold the bias correction.

    m <- momentum * m + rest * g, v <- momentum2 * v + rest2 * g^2, update rate * m / (sqrt(v) + delta); rest and rest2
    are what is left to 1.
    """
    count = pieces.shape[0]
    for number in range(count * worker // workers, count * (worker + 1) // workers):
        start, stop, param = pieces[number, 0], pieces[number, 1], pieces[number, 2]
        part = data[start:stop]
        _adam_piece(
            part,
            diff[start:stop],
            first[start:stop],
            second[start:stop],
            rates[param],
            decays[param],
            momentum,
            rest,
            momentum2,
            rest2,
            delta,
            l1,
            scale,
        )
        sums[number] = sum_of_squares(part)
