"""The update of RMSProp."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.updates.loop import update_kernel


class RMSProp(NamedTuple):
    """What a step keeps of the mean square, what is left to 1, and what keeps the divisor from being 0."""

    rms_decay: Any
    rms_rest: Any
    delta: Any


@partial(update_kernel, squares=0)
def rms_prop_update(gradient: Any, histories: Any, i: Any, rate: Any, settings: RMSProp) -> Any:
    """Do one step of RMSProp: h <- rms_decay * h + rms_rest * g^2, update rate * g / (sqrt(h) + delta)."""
    mean = settings.rms_decay * histories[0][i] + settings.rms_rest * (gradient * gradient)
    histories[0][i] = mean
    return rate * (gradient / (np.sqrt(mean) + settings.delta))
