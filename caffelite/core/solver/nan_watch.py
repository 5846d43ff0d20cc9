"""Losses and parameters that are no numbers: found at once, named, and never stored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffelite.core.blob import Blob
from caffelite.core.errors import SolverError

if TYPE_CHECKING:
    from caffelite.core.net.net import Net
    from caffelite.core.solver.solver import Solver

ON_NAN = ("stop", "ignore")


def refuse_bad_loss(solver: Solver, loss: float) -> None:
    """Raise SolverError, with the first layer whose values are not finite, if the loss is not."""
    if solver.on_nan == "stop" and not math.isfinite(loss):
        bad = first_bad_blob(solver.net)
        raise _stopped(solver, f"the loss is {loss:g}" + (f"; it began with {bad}" if bad else ""))


def refuse_bad_params(solver: Solver) -> None:
    """Raise SolverError, with the first layer that has some, if values of parameters are not finite."""
    if solver.on_nan != "stop":
        return
    for param in solver.net.learnable_params:
        if not _is_finite(param.blob):
            kind = next(layer.type for layer in solver.net.core_layers if layer.name == param.layer_name)
            raise _stopped(
                solver,
                f'param {param.index} of layer "{param.layer_name}" ({kind}) has values that are nan or infinite',
            )


def first_bad_blob(net: Net) -> str:
    """Return the first parameter or top, in the order of layers, that holds nan or infinity; "" if there is none."""
    for index, layer in enumerate(net.core_layers):
        named = [(f"param {number}", blob) for number, blob in enumerate(layer.blobs)]
        named += [(f'top "{name}"', blob) for name, blob in net.tops(index)]
        for name, blob in named:
            if not _is_finite(blob):
                return f'{name} of layer "{layer.name}" ({layer.type})'
    return ""


def _is_finite(blob: Blob) -> bool:
    return bool(np.isfinite(blob.data).all())


def _stopped(solver: Solver, what: str) -> SolverError:
    kept = f"the last snapshot is {solver.last_snapshot}" if solver.last_snapshot else "there is no snapshot yet"
    return SolverError(
        f"iteration {solver.iter}: {what}; {kept}. Use a smaller base_lr or clip_gradients, and look at the data; "
        "--on-nan ignore (on_nan of the solver) goes on"
    )
