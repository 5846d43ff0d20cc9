"""Messages and fields that a layer never reads, so that what the user wrote there has no effect. Caffe says nothing."""

from __future__ import annotations

from collections.abc import Iterator

from caffelite.core.layer import LAYERS, Layer, layer_class_for, layer_type_list
from caffelite.core.net.wiring.draft import Draft
from caffelite.proto.caffe_pb2 import TEST, LayerParameter

# Messages of which each layer type reads its own: pooling_param, ...; those that all layers have are lists.
OWN_MESSAGES = tuple(
    field.name
    for field in LayerParameter.DESCRIPTOR.fields
    if field.message_type is not None and field.default_value != []
)


def unread(draft: Draft) -> list[str]:
    """Return a warning, with file and line, for each message and field that its layer does not read.

    Call it after filter_net and check_types. Layers whose class does not say what it reads are left out. Fields with
    their default value are, too: they would change nothing where they are read.
    """
    return [
        f'{draft.where(index, path)}layer "{layer.name}" ({layer.type}): {path} has no effect; {advice}'
        for index, layer in enumerate(draft.layers)
        for path, advice in _unread_of(layer)
    ]


def _unread_of(layer: LayerParameter) -> Iterator[tuple[str, str]]:
    """Yield each path that is not read and what the user should know."""
    layer_class = layer_class_for(layer)
    read = messages_read(layer_class)
    if read is None:
        return
    for message in OWN_MESSAGES:
        if layer.HasField(message) and message not in read:
            yield message, _advice(layer.type, read, message)
    if "transform_param" in read and layer.transform_param.HasField("augmentation") and _is_for_tests(layer):
        yield "transform_param.augmentation", "images are augmented in phase TRAIN only, and this layer is for TEST"
    for path, advice in layer_class.not_read.items():
        message, _, name = path.partition(".")
        given = {field.name: (field, value) for field, value in getattr(layer, message).ListFields()}
        if name in given:
            field, value = given[name]
            if field.message_type is not None or value != field.default_value:
                yield path, advice


def _is_for_tests(layer: LayerParameter) -> bool:
    """Whether the layer's rules leave it out in TRAIN; one that is for both phases may say what TRAIN alone reads."""
    return bool(layer.include) and all(rule.HasField("phase") and rule.phase == TEST for rule in layer.include)


def messages_read(layer_class: type[Layer]) -> tuple[str, ...] | None:
    """Return the messages that the class says it reads; None if it is silent, since a base cannot speak for it."""
    read: tuple[str, ...] | None = vars(layer_class).get("messages")
    return read


def _advice(layer_type: str, read: tuple[str, ...], message: str) -> str:
    """Say who reads the message, and what the layer reads instead."""
    own = " and ".join(read) or "no message of their own"
    parts = [f"{layer_type} layers read {own}"]
    others = [
        name
        for name in layer_type_list()
        if name != layer_type and any(message in (messages_read(kind.layer_class) or ()) for kind in LAYERS[name])
    ]
    if others:
        parts.append(f"{message} is for {', '.join(others)}")
    return ", ".join(parts)
