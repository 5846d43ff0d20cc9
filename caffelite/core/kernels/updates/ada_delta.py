"""The update of AdaDelta: see update.py for what all updates have in common."""

from typing import Any

import numpy as np

from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.updates.sgd import gradient_of, sum_of_squares

Array = np.ndarray[Any, np.dtype[Any]]


@kernel
def _ada_delta_piece(
    data: Array,
    diff: Array,
    history: Array,
    steps: Array,
    rate: Any,
    decay: Any,
    momentum: Any,
    rest: Any,
    delta: Any,
    l1: bool,
    scale: Any,
) -> None:
    for i in range(data.size):
        gradient = gradient_of(data[i], diff[i], decay, l1, scale)
        mean = momentum * history[i] + rest * (gradient * gradient)
        value = gradient * np.sqrt((steps[i] + delta) / (mean + delta))
        history[i] = mean
        steps[i] = momentum * steps[i] + rest * (value * value)
        step = rate * value
        diff[i] = step
        data[i] -= step


@parallel_kernel
def ada_delta_update(
    data: Array,
    diff: Array,
    history: Array,
    steps: Array,
    pieces: Array,
    sums: Array,
    rates: Array,
    decays: Array,
    momentum: Any,
    rest: Any,
    delta: Any,
    l1: bool,
    scale: Any,
    worker: int,
    workers: int,
) -> None:
    """Do one step of AdaDelta; `steps` is the second history, h2.

    h <- momentum * h + rest * g^2, v = g * sqrt((h2 + delta) / (h + delta)), h2 <- momentum * h2 + rest * v^2,
    update rate * v; rest is 1 - momentum.
    """
    count = pieces.shape[0]
    for number in range(count * worker // workers, count * (worker + 1) // workers):
        start, stop, param = pieces[number, 0], pieces[number, 1], pieces[number, 2]
        part = data[start:stop]
        _ada_delta_piece(
            part,
            diff[start:stop],
            history[start:stop],
            steps[start:stop],
            rates[param],
            decays[param],
            momentum,
            rest,
            delta,
            l1,
            scale,
        )
        sums[number] = sum_of_squares(part)
