"""The update of SGD."""

from typing import Any, NamedTuple

from caffelite.core.kernels.updates.loop import update_kernel


class Momentum(NamedTuple):
    """The share of the last step in the next one."""

    momentum: Any


@update_kernel
def sgd_update(gradient: Any, histories: Any, i: Any, rate: Any, settings: Momentum) -> Any:
    """Do one step of SGD: h <- momentum * h + rate * g, update h."""
    step = settings.momentum * histories[0][i] + rate * gradient
    histories[0][i] = step
    return step
