"""Fields of forks in a net: without effect here, read by their layer, or refused by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from google.protobuf.message import Message

from caffelite.core.errors import NetError
from caffelite.core.layer import layer_class_for
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.unread import messages_read
from caffelite.core.prototxt.forks import fork_field, is_harmless
from caffelite.core.prototxt.given import Given, changes, fields_of, refusal, shown
from caffelite.proto.caffe_pb2 import LayerParameter

OWN_ENGINES = ("", "CAFFE", "DEFAULT")


def refuse_fork_fields(draft: Draft) -> None:
    """Raise NetError, one problem a line, for fields that would change results and that no layer reads.

    Call it after check_types. A value equal to the default changes nothing.
    """
    problems = [
        f'{draft.where(index, path)}layer "{layer.name}" ({layer.type}): {text}'
        for index, layer in enumerate(draft.layers)
        for path, text in _refused(layer)
    ]
    if problems:
        raise NetError("\n".join(problems))


def _refused(layer: LayerParameter) -> Iterator[tuple[str, str]]:
    """Yield paths and error texts; messages that the layer does not read, or may read as it likes, are left out."""
    layer_class = layer_class_for(layer)
    read = messages_read(layer_class) or ()
    for given in _given(layer):
        known = fork_field(given.message, given.known.name)
        if known is None or known.is_harmless or given.path.partition(".")[0] not in read:
            continue
        is_read = known.by_layers and not (known.refused_unread and given.path in layer_class.not_read)
        if not is_read and changes(given, known):
            yield given.path, refusal(given, known)


def fields_without_effect(draft: Draft) -> list[str]:
    """Return a warning for each harmless field of forks, and each engine, with the first line of it."""
    places: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for where, owner, given, not_read in _all_given(draft):
        if not is_harmless(given.message, given.known.name) or given.path in not_read:
            continue
        if given.known.name == "engine":
            if shown(given).strip('"') not in OWN_ENGINES:
                places.setdefault(("engine", shown(given).strip('"')), []).append((where, owner, given.path))
        elif (known := fork_field(given.message, given.known.name)) and changes(given, known):
            places.setdefault((given.known.name, f"({known.whose}'s) has no effect: {known.does}"), []).append(
                (where, owner, given.path)
            )
    return [_told(name, words, found) for (name, words), found in places.items()]


def _told(name: str, words: str, places: list[tuple[str, str, str]]) -> str:
    where, owner, path = places[0]
    if name == "engine":
        return f"{where}engine: {words} ({owner}, ...) is computed by caffelite's own kernels, on the CPU."
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"{where}{path} {words} ({owner}{more})"


def _all_given(draft: Draft) -> Iterator[tuple[str, str, Given, Mapping[str, str]]]:
    """Yield the fields of the net and of its layers: where, whose, the field, and what the layer does not read."""
    lines = next((place.lines for place in draft.places if place is not None), None)
    for given in fields_of(draft.param, "", repeated=False):
        yield "" if lines is None else lines.where(given.path), "the net", given, {}
    for index, layer in enumerate(draft.layers):
        for given in _given(layer):
            yield draft.where(index, given.path), f"layer {layer.name}", given, layer_class_for(layer).not_read


def _given(layer: LayerParameter) -> Iterator[Given]:
    """Yield the fields of a layer and of its messages; stored weights are not gone through."""
    for given in fields_of(layer, "", repeated=False):
        yield given
        if isinstance(given.value, Message):
            yield from fields_of(given.value, f"{given.path}.", repeated=True)
