"""The update of AdaDelta."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.updates.loop import update_kernel


class AdaDelta(NamedTuple):
    """What a step keeps of both means, what is left to 1, and what keeps the divisor from being 0."""

    momentum: Any
    rest: Any
    delta: Any


@partial(update_kernel, squares=0)
def ada_delta_update(gradient: Any, histories: Any, i: Any, rate: Any, settings: AdaDelta) -> Any:
    """Do one step of AdaDelta; h and h2 are the histories.

    h <- momentum * h + rest * g^2, v = g * sqrt((h2 + delta) / (h + delta)), h2 <- momentum * h2 + rest * v^2,
    update rate * v.
    """
    squares, steps = histories
    mean = settings.momentum * squares[i] + settings.rest * (gradient * gradient)
    value = gradient * np.sqrt((steps[i] + settings.delta) / (mean + settings.delta))
    squares[i] = mean
    steps[i] = settings.momentum * steps[i] + settings.rest * (value * value)
    return rate * value
