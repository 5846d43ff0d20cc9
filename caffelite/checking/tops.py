"""Tops that a training or test net computes for nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from caffelite.core.errors import CaffeliteError
from caffelite.core.layer import layer_class_for
from caffelite.core.net.net import Net
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import included
from caffelite.core.prototxt.lines import where
from caffelite.proto.caffe_pb2 import LayerParameter


def has_loss(draft: Draft) -> bool:
    """Return whether a layer of the net in its state has a loss weight; layers that cannot be read have none."""
    return any(included(layer, draft.param.state) and _is_loss(layer) for layer in draft.layers)


def _is_loss(layer: LayerParameter) -> bool:
    if layer.loss_weight:
        return any(layer.loss_weight)
    try:
        return any(layer_class_for(layer).default_loss_weights(layer))
    except CaffeliteError:  # an unknown type, or fields that no layer of the type takes
        return False


def unused_tops(net: Net, read_elsewhere: Collection[str] = ()) -> Iterator[str]:
    """Yield a warning for each top that no layer reads, in a net with a loss.

    Without a loss, tops are what the net is for, and nobody should ask. Results are no waste either: losses, single
    numbers, what layers without a gradient make of others (Accuracy, ArgMax), and tops of Python layers, of which
    nothing is known. `read_elsewhere`: what layers read that are not in the net, if it is a part of another.
    """
    unread = set(net.outputs).difference(read_elsewhere)
    # from the end: of a blob that several layers work on in place, the last is the one
    for step in reversed(net.plan.layer_steps):
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
