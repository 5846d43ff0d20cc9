"""The update of Adam."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.updates.loop import update_kernel


class Adam(NamedTuple):
    """What a step keeps of the mean and the mean square, what is left to 1 of each, and the least divisor."""

    momentum: Any
    rest: Any
    momentum2: Any
    rest2: Any
    delta: Any


@partial(update_kernel, squares=1)
def adam_update(gradient: Any, histories: Any, i: Any, rate: Any, settings: Adam) -> Any:
    """Do one step of Adam; the histories are m and v, the rate holds the bias correction.

    m <- momentum * m + rest * g, v <- momentum2 * v + rest2 * g^2, update rate * m / (sqrt(v) + delta).
    """
    first, second = histories
    mean = settings.momentum * first[i] + settings.rest * gradient
    square = settings.momentum2 * second[i] + settings.rest2 * (gradient * gradient)
    first[i] = mean
    second[i] = square
    return rate * (mean / (np.sqrt(square) + settings.delta))
