"""Message -> text as a person writes it, in the style of models/: what belongs together stands on one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from caffelite.core.prototxt.own_fields import FIELD
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter, V1LayerParameter

LINE_LENGTH = 120
# Fields of a layer that share a line, in this order; all others follow, each on its own.
_HEADS = (("name", "type"), ("bottom", "top"))
# Fields in the order in which people think of them; all others follow by their numbers.
_ORDER = (
    *("num_output", "pool", "global_pooling", "kernel_size", "kernel_h", "kernel_w", "stride", "stride_h", "stride_w"),
    *("pad", "pad_h", "pad_w", "dilation", "group", "axis", "slice_point", "bias_term", "type", "shape"),
)
_PLACES = {name: place for place, name in enumerate(_ORDER)}


def net_text(net: NetParameter, comments: Iterable[str] = (), of_layers: dict[int, str] | None = None) -> str:
    """Return the text of a net, `comments` above it and those `of_layers` (number -> comment) above layers."""
    lines = [f"# {line}".rstrip() for comment in comments for line in comment.splitlines() or [""]]
    for known, value in net.ListFields():
        if known.name not in ("layer", "layers"):
            lines += [line for entry in _entries(known, value) for line in _field(known, entry, LINE_LENGTH)]
    for index, layer in enumerate(net.layer):
        if of_layers and index in of_layers:
            lines.append(f"# {of_layers[index]}")
        lines += layer_lines(layer, "layer")
    for old in net.layers:
        lines += layer_lines(old, "layers")
    return "\n".join([*lines, ""])


def layer_lines(layer: LayerParameter | V1LayerParameter, word: str) -> list[str]:
    """Return the lines of a layer that begins with `word`: name and type, blobs, then each field or message."""
    given = {known.name: (known, value) for known, value in layer.ListFields()}
    inner = []
    for names in _HEADS:
        fields = [given.pop(name) for name in names if name in given]
        words = [_one_line(known, entry) for known, value in fields for entry in _entries(known, value)]
        joined = " ".join(words)
        inner += [joined] if len(joined) <= LINE_LENGTH - 2 else words
    own = str(given.pop(FIELD)[1]).split("\n") if FIELD in given else []
    for known, value in given.values():
        inner += [line for entry in _entries(known, value) for line in _field(known, entry, LINE_LENGTH - 2)]
    inner += own  # in one form already
    return [f"{word} {{", *(f"  {line}" for line in inner if line), "}"]


def _entries(known: FieldDescriptor, value: Any) -> Iterator[Any]:
    """Yield the values of a field, of which there is one unless it is repeated."""
    if isinstance(known.default_value, list):
        yield from value
    else:
        yield value


def _ordered(message: Message) -> list[tuple[FieldDescriptor, Any]]:
    return sorted(message.ListFields(), key=lambda field: _PLACES.get(field[0].name, len(_ORDER)))


def _field(known: FieldDescriptor, value: Any, width: int) -> list[str]:
    """Return the lines of one value: a single one if it fits in `width`, else a message over several."""
    line = _one_line(known, value)
    if len(line) <= width and not _has_messages(value):
        return [line]
    if not isinstance(value, Message):
        return [line]
    return [f"{known.name} {{", *(f"  {inner}" for inner in _packed(value, width - 2)), "}"]


def _has_messages(value: Any) -> bool:
    """Return whether a message holds others beside fields of its own, which then get lines of their own."""
    if not isinstance(value, Message):
        return False
    kinds = {known.message_type is not None for known, _ in value.ListFields()}
    return kinds == {True, False}


def _packed(message: Message, width: int) -> Iterator[str]:
    """Yield the lines inside a message: numbers and words together, as many as fit, messages each on its own."""
    line = ""
    for known, value in _ordered(message):
        for entry in _entries(known, value):
            word = _one_line(known, entry)
            if known.message_type is not None:
                if line:
                    yield line
                yield from _field(known, entry, width)
                line = ""
            elif line and len(line) + 1 + len(word) > width:
                yield line
                line = word
            else:
                line = f"{line} {word}".lstrip()
    if line:
        yield line


def _one_line(known: FieldDescriptor, value: Any) -> str:
    if isinstance(value, Message):
        inner = " ".join(
            _one_line(field, entry) for field, entries in _ordered(value) for entry in _entries(field, entries)
        )
        return f"{known.name} {{ {inner} }}" if inner else f"{known.name} {{ }}"
    return f"{known.name}: {_value(known, value)}"


def _value(known: FieldDescriptor, value: Any) -> str:
    """Return a value as prototxt: floats with as few digits as give the same float again."""
    out = StringIO()
    text_format.PrintFieldValue(known, value, out, as_utf8=True)
    return out.getvalue().removesuffix(".0") if isinstance(value, float) else out.getvalue()
