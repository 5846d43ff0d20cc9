"""The update of AdaGrad."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.updates.loop import update_kernel


class AdaGrad(NamedTuple):
    """What keeps the divisor from being 0."""

    delta: Any


@partial(update_kernel, squares=0)
def ada_grad_update(gradient: Any, histories: Any, i: Any, rate: Any, settings: AdaGrad) -> Any:
    """Do one step of AdaGrad: h <- h + g^2, update rate * g / (sqrt(h) + delta)."""
    squares = histories[0][i] + gradient * gradient
    histories[0][i] = squares
    return rate * (gradient / (np.sqrt(squares) + settings.delta))
