"""A net without layers that work in place: what each layer makes stays in a blob of its own and can be looked at."""

from __future__ import annotations

from typing import NamedTuple

from caffelite.core.layer import layer_class_for
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import filter_net
from caffelite.proto.caffe_pb2 import LayerParameter


class Origin(NamedTuple):
    """What a blob of the changed net is in the user's: the blob, as the layer leaves it."""

    blob: str
    layer: str


def without_in_place(draft: Draft) -> tuple[Draft, dict[str, Origin]]:
    """Return the draft of the net in `draft`'s state with its in-place layers writing new blobs, and what these are.

    Layers of users (Python, other packages) go on working in place: their code may count on it. The values and
    gradients of all other blobs stay the same. Raises NetError as filtering does, LayerError for unknown types.
    """
    draft = filter_net(draft)
    names = {name for layer in draft.layers for name in (*layer.bottom, *layer.top)}
    current: dict[str, str] = {}  # the user's blob -> the blob of the changed net that holds it now
    origins: dict[str, Origin] = {}
    layers = []
    for index, layer in enumerate(draft.layers):
        changed = LayerParameter()
        changed.CopyFrom(layer)
        del changed.bottom[:], changed.top[:]
        changed.bottom.extend(current.get(name, name) for name in layer.bottom)
        for top in layer.top:
            if top in layer.bottom and _may_part(layer):
                current[top] = _fresh(f"{top} ({layer.name or index})", names)
                origins[current[top]] = Origin(top, layer.name)
            elif top not in layer.bottom:
                current.pop(top, None)
            changed.top.append(current.get(top, top))
        layers.append(changed)
    return draft.with_layers(layers, draft.places), origins


def _may_part(layer: LayerParameter) -> bool:
    layer_class = layer_class_for(layer)
    ours = layer_class.__module__.startswith(f"{__name__.partition('.')[0]}.core.")
    return ours and layer_class.type != "Python"


def _fresh(name: str, names: set[str]) -> str:
    """Return `name`, or one made of it, that no blob has; it has one from now on."""
    while name in names:
        name += "'"
    names.add(name)
    return name
