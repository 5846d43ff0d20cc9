"""Tops that a training or test net computes for nobody."""

from __future__ import annotations

from collections.abc import Iterator

from caffelite.core.net.net import Net
from caffelite.core.prototxt.lines import where


def has_loss(net: Net) -> bool:
    """Return whether a top of the net has a loss weight."""
    return any(any(step.loss_weights) for step in net.plan.layer_steps)


def unused_tops(net: Net) -> Iterator[str]:
    """Yield a warning for each top that no layer reads, in a net with a loss.

    Without a loss, tops are what the net is for. Results are no waste either: losses, single numbers, what layers
    without a gradient make of others (Accuracy, ArgMax), and tops of Python layers, of which nothing is known.
    """
    if not has_loss(net):
        return
    unread = set(net.outputs)
    for step in reversed(
        net.plan.layer_steps
    ):  # of a blob that several layers work on in place, the last is at the end
        layer = step.layer
        for index, name in enumerate(layer.layer_param.top):
            if name not in unread:
                continue
            unread.discard(name)
            is_result = layer.type == "Python" or (bool(step.bottom) and not layer.has_backward)
            if is_result or step.loss_weights[index] or step.top[index].count == 1:
                continue
            yield (
                f'{where(layer.place, f"top[{index}]")}layer "{layer.name}": no layer reads the top '
                f'"{name}"; {_advice(bool(step.bottom), name)}'
            )


def _advice(is_computed: bool, name: str) -> str:
    silence = f'if it is meant, say so with a layer {{ name: "{name}_silence" type: "Silence" bottom: "{name}" }}'
    return f"it is computed for nothing; {silence}" if is_computed else silence
