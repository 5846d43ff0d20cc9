"""Losses and parameters that are no numbers: found at once, named, and never stored."""

from __future__ import annotations

import math

import numpy as np

from caffelite.core.blob import Blob
from caffelite.core.errors import SolverError
from caffelite.core.net.net import Net

ON_NAN = ("stop", "ignore")


def bad_loss(loss: float, net: Net) -> str:
    """Return what is wrong if the loss is not finite, with the first layer of the net whose values are not; else ""."""
    if math.isfinite(loss):
        return ""
    bad = first_bad_blob(net)
    return f"the loss is {loss:g}" + (f"; it began with {bad}" if bad else "")


def bad_params(net: Net) -> str:
    """Return what is wrong if values of parameters are not finite, with the first layer that has some; else ""."""
    for param in net.learnable_params:
        if not _is_finite(param.blob):
            kind = next(layer.type for layer in net.core_layers if layer.name == param.layer_name)
            return f'param {param.index} of layer "{param.layer_name}" ({kind}) has values that are nan or infinite'
    return ""


def diverged(iteration: int, what: str, last_snapshot: str) -> SolverError:
    """Return the error that ends the training; `last_snapshot` is a solverstate, or "" if there is none."""
    kept = f"the last snapshot is {last_snapshot}" if last_snapshot else "there is no snapshot yet"
    return SolverError(
        f"iteration {iteration}: {what}; {kept}. Use a smaller base_lr or clip_gradients, and look at the data; "
        "--on-nan ignore (on_nan of the solver) goes on"
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
