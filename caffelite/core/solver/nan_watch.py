"""Losses, parameters and histories that are no numbers: found at once, named, and never stored."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from caffelite.core.arena import LearnableParam
from caffelite.core.blob import Array, Blob
from caffelite.core.errors import SolverError
from caffelite.core.net.net import Net
from caffelite.core.solver.snapshot import history_blobs

ON_NAN = ("stop", "ignore")
OUTPUT = "output"  # what `warn_of_bad_output` warns of


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
            return f"{_described(param, net)} has values that are nan or infinite"
    return ""


def bad_histories(net: Net, histories: Sequence[Array]) -> str:
    """Return what is wrong if what the update rule remembers is not finite, with the first such parameter; else ""."""
    for param, values in history_blobs(net.learnable_params, histories):
        if not np.isfinite(values).all():
            return (
                f"the history of {_described(param, net)} is nan or infinite: a gradient was so large that its square "
                "is beyond the largest number, and what it belongs to would never move again"
            )
    return ""


def _described(param: LearnableParam, net: Net) -> str:
    kind = next(layer.type for layer in net.core_layers if layer.name == param.layer_name)
    return f'param {param.index} of layer "{param.layer_name}" ({kind})'


def diverged(iteration: int, what: str, last_snapshot: str) -> SolverError:
    """Return the error that ends the training; `last_snapshot` is a solverstate, or "" if there is none."""
    kept = f"the last snapshot is {last_snapshot}" if last_snapshot else "there is no snapshot yet"
    return SolverError(
        f"iteration {iteration}: {what}; {kept}. Use a smaller base_lr or clip_gradients, and look at the data; "
        "--on-nan ignore (on_nan of the solver) goes on"
    )


def warn_of_bad_output(net: Net) -> None:
    """Say once a net that an output is nan or infinite, or made from nan, and where that began; the run goes on."""
    if OUTPUT not in net.context.warned and (what := _bad_output(net)):
        bad = first_bad_blob(net)
        began = f"; it began with {bad}" if bad else ""
        net.context.warn_once(OUTPUT, f'net "{net.name}": output {what}{began}. What it scores means nothing')


def _bad_output(net: Net) -> str:
    for name, _, values in net.output_values():
        if not np.isfinite(values).all():
            return f'"{name}" is {"nan" if np.isnan(values).any() else "infinite"}'
    outputs = set(net.outputs)
    for index in range(len(net.core_layers)):
        made = [name for name, _ in net.tops(index) if name in outputs]
        predictions = net.bottoms(index)[:1]  # labels may be nan on purpose, for a layer that knows
        if made and any(np.isnan(blob.data).any() for _, blob in predictions):
            return f'"{made[0]}" is computed from nan'
    return ""


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
