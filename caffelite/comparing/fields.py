"""Two nets field by field, with the lines where the fields stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.message import Message

from caffelite.core.prototxt.lines import Lines
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter


class NetFile(NamedTuple):
    """A net in today's form, and the lines of its fields."""

    param: NetParameter
    lines: Lines

    def where(self, path: str) -> str:
        """Return `net.prototxt:12`, the file alone for what is not in it."""
        return self.lines.where(path).removesuffix(": ")


Key = tuple[str, str, int]  # a layer's name, the rules of what it is in, and which of those that are alike


def field_differences(first: NetFile, second: NetFile) -> Iterator[str]:
    """Yield a line for each field that differs, in the order of the first net, then for what only the second has.

    Layers are matched by their names, those of one name by their include and exclude rules. A field that is not given
    has its default, so that to write the default changes nothing.
    """
    for path in sorted(_net_paths(first.param) | _net_paths(second.param)):
        yield from _compared("the net's ", path, path, path, first, second, first.param, second.param)
    ours, theirs = _keys(first.param), _keys(second.param)
    for key, index in ours.items():
        if key not in theirs:
            layer = first.param.layer[index]
            yield f'only in {first.where(f"layer[{index}]")}: layer "{layer.name}" ({layer.type})'
            continue
        yield from _layer_differences(first, second, index, theirs[key])
    for key, index in theirs.items():
        if key not in ours:
            layer = second.param.layer[index]
            yield f'only in {second.where(f"layer[{index}]")}: layer "{layer.name}" ({layer.type})'
    yield from _order(first, second, [key for key in ours if key in theirs], [key for key in theirs if key in ours])


def _keys(net: NetParameter) -> dict[Key, int]:
    seen: Counter[tuple[str, str]] = Counter()
    keys: dict[Key, int] = {}
    for index, layer in enumerate(net.layer):
        rules = (
            " ".join(str(rule) for rule in (*layer.include, *layer.exclude)) if _is_one_of_several(net, layer) else ""
        )
        keys[layer.name, rules, seen[layer.name, rules]] = index
        seen[layer.name, rules] += 1
    return keys


def _is_one_of_several(net: NetParameter, layer: LayerParameter) -> bool:
    return sum(other.name == layer.name for other in net.layer) > 1


def _net_paths(net: NetParameter) -> set[str]:
    return {path for known, _ in net.ListFields() if known.name != "layer" for path in _paths(net, known.name)}


def _layer_differences(first: NetFile, second: NetFile, index: int, other: int) -> Iterator[str]:
    ours, theirs = first.param.layer[index], second.param.layer[other]
    if ours == theirs:
        return
    words = f'layer "{ours.name}" ({ours.type}): '
    given = [known.name for layer in (ours, theirs) for known, _ in layer.ListFields() if known.name != "blobs"]
    for name in dict.fromkeys(given):
        for path in dict.fromkeys([*_paths(ours, name), *_paths(theirs, name)]):
            places = f"layer[{index}].{path}", f"layer[{other}].{path}"
            yield from _compared(words, path, *places, first, second, ours, theirs)


def _compared(
    words: str, path: str, place: str, other_place: str, first: NetFile, second: NetFile, ours: Any, theirs: Any
) -> Iterator[str]:
    values = _value(ours, path), _value(theirs, path)
    if any(isinstance(value, Message) for value in values):  # which are compared field by field
        return
    if values[0] != values[1]:
        left, right = (_written(value) for value in values)
        yield f"{words}{path} is {left} in {first.where(place)}, {right} in {second.where(other_place)}"


def _paths(message: Message, name: str) -> Iterator[str]:
    """Yield the paths of all values in a field of a message: `pooling_param.stride`, `param[0].lr_mult`."""
    known = message.DESCRIPTOR.fields_by_name[name]
    value = getattr(message, name)
    repeated = isinstance(known.default_value, list)
    if not repeated and known.message_type is not None and not message.HasField(name):
        return
    for number, entry in enumerate(value if repeated else [value]):
        path = f"{name}[{number}]" if repeated else name
        if isinstance(entry, Message):
            inner = [below for field, _ in entry.ListFields() for below in _paths(entry, field.name)]
            yield from (f"{path}.{below}" for below in inner) if inner else ([path] if repeated else [])
        else:
            yield path


def _value(message: Any, path: str) -> Any:
    """Return the value at a path, with names in place of enum numbers; None for an entry that a list has not."""
    for part in path.split("."):
        name, _, number = part.partition("[")
        known = message.DESCRIPTOR.fields_by_name[name]
        message = getattr(message, name)
        if number:
            index = int(number[:-1])
            if index >= len(message):
                return None
            message = message[index]
    if isinstance(message, Message):
        return _Word("{ }") if not message.ListFields() else message
    return _Word(known.enum_type.values_by_number[message].name) if known.enum_type else message


class _Word(str):
    """A name of an enum, or braces: what is written without quotes."""


def _written(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.7g}"
    return f'"{value}"' if isinstance(value, str) and not isinstance(value, _Word) else str(value)


def _order(first: NetFile, second: NetFile, ours: list[Key], theirs: list[Key]) -> Iterator[str]:
    """Yield where the layers that both nets have first stand in another order."""
    for our_key, their_key in zip(ours, theirs, strict=True):
        if our_key != their_key:
            places = (
                first.where(f"layer[{_keys(first.param)[our_key]}]"),
                second.where(f"layer[{_keys(second.param)[their_key]}]"),
            )
            yield f'the order differs: "{our_key[0]}" comes in {places[0]} where "{their_key[0]}" comes in {places[1]}'
            return
