"""The update of RMSProp: see update.py for what all updates have in common."""

from typing import Any

import numpy as np

from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.updates.sgd import gradient_of, sum_of_squares

Array = np.ndarray[Any, np.dtype[Any]]


@kernel
def _rms_prop_piece(
    data: Array,
    diff: Array,
    history: Array,
    rate: Any,
    decay: Any,
    rms_decay: Any,
    rms_rest: Any,
    delta: Any,
    l1: bool,
    scale: Any,
) -> None:
    for i in range(data.size):
        gradient = gradient_of(data[i], diff[i], decay, l1, scale)
        mean = rms_decay * history[i] + rms_rest * (gradient * gradient)
        step = rate * (gradient / (np.sqrt(mean) + delta))
        history[i] = mean
        diff[i] = step
        data[i] -= step


@parallel_kernel
def rms_prop_update(
    data: Array,
    diff: Array,
    history: Array,
    pieces: Array,
    sums: Array,
    rates: Array,
    decays: Array,
    rms_decay: Any,
    rms_rest: Any,
    delta: Any,
    l1: bool,
    scale: Any,
    worker: int,
    workers: int,
) -> None:
    """Do one step of RMSProp: h <- rms_decay * h + rms_rest * g^2, update rate * g / (sqrt(h) + delta).

    rms_rest is 1 - rms_decay.
    """
    count = pieces.shape[0]
    for number in range(count * worker // workers, count * (worker + 1) // workers):
        start, stop, param = pieces[number, 0], pieces[number, 1], pieces[number, 2]
        part = data[start:stop]
        _rms_prop_piece(
            part,
            diff[start:stop],
            history[start:stop],
            rates[param],
            decays[param],
            rms_decay,
            rms_rest,
            delta,
            l1,
            scale,
        )
        sums[number] = sum_of_squares(part)
