"""The update of Nesterov."""

from typing import Any

from caffelite.core.kernels.updates.loop import update_kernel
from caffelite.core.kernels.updates.sgd import Momentum


@update_kernel
def nesterov_update(gradient: Any, histories: Any, i: Any, rate: Any, settings: Momentum) -> Any:
    """Do one step of Nesterov's method.

    h0 = h; h <- momentum * h + rate * g, update (1 + momentum) * h - momentum * h0.
    """
    before = histories[0][i]
    after = settings.momentum * before + rate * gradient
    histories[0][i] = after
    return after + settings.momentum * (after - before)
