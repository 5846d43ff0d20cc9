"""Which fork's layer was taken where one type name means several: `BN`, `Upsample`, `Normalize`, ..."""

from __future__ import annotations

from caffelite.core.layer import LAYERS, Layer, layer_class_for
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.unread import OWN_MESSAGES
from caffelite.proto.caffe_pb2 import LayerParameter


def forks_taken(draft: Draft) -> list[str]:
    """Return a line for each class of a fork that was taken though its type name has others; call it after check_types.

    It names the first layer of the class, and how many more there are.
    """
    layers: dict[type[Layer], list[int]] = {}
    for index, layer in enumerate(draft.layers):
        if len(LAYERS[layer.type]) > 1 and (taken := layer_class_for(layer)).fork:
            layers.setdefault(taken, []).append(index)
    return [_line(draft, taken, indices) for taken, indices in layers.items()]


def _line(draft: Draft, taken: type[Layer], indices: list[int]) -> str:
    first = draft.layers[indices[0]]
    more = f" and {len(indices) - 1} more" if len(indices) > 1 else ""
    reason = taken.told_by or ", ".join(_written(first)) or "no field says that it is another's"
    where = draft.where(indices[0], "type")
    return f'{where}layer "{first.name}" ({first.type}){more}: taken as {taken.fork}\'s ({reason})'


def _written(layer: LayerParameter) -> list[str]:
    """Return the names of the fields that are written in the messages of the layer's own."""
    messages = [(name, getattr(layer, name)) for name in OWN_MESSAGES if layer.HasField(name)]
    return [field.name for _, message in messages for field, _ in message.ListFields() if field.name != "engine"]
