"""Fields that caffe.proto does not have, in layers that a class of the user's computes: it gets them as text."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from caffelite.core.prototxt.tokens import Source, Token
from caffelite.proto.caffe_pb2 import LayerParameter

_OPEN, _CLOSE = ("{", "<"), ("}", ">")
_KNOWN = set(LayerParameter.DESCRIPTOR.fields_by_name)


class Taken(NamedTuple):
    """The text with blanks in place of the fields, and the fields of each layer of these types, in their order."""

    text: str
    fields: list[dict[str, Any]]


class _Field(NamedTuple):
    name: str
    words: list[Token]  # its own and those of its value
    end: int


def take_unknown_fields(text: str, types: Collection[str]) -> Taken:
    """Cut the unknown fields of layers of these types out of a prototxt; lines and columns stay as they are.

    A field that is a message gives its own fields. Values are text, as OpenCV hands them on; a tuple where a field
    stands several times.
    """
    kept, taken = text, []
    for layer in _fields(list(Source("", text).tokens())):
        if layer.name not in ("layer", "layers") or layer.words[-1].text not in _CLOSE:
            continue
        inner = list(_fields(_inside(layer)))
        if not any(f.name == "type" and _text(f.words[-1]) in types for f in inner):
            continue
        unknown = [field for field in inner if field.name not in _KNOWN]
        taken.append(_values(unknown))
        for field in unknown:
            start = field.words[0].offset
            blank = "".join("\n" if c == "\n" else " " for c in kept[start : field.end])
            kept = kept[:start] + blank + kept[field.end :]
    return Taken(kept, taken)


def _inside(field: _Field) -> list[Token]:
    first = next(i for i, word in enumerate(field.words) if word.text in _OPEN)
    return field.words[first + 1 : -1]


def _values(fields: list[_Field]) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for field in fields:
        if field.words[-1].text in _CLOSE:
            found.update({name: [value] for name, value in _values(list(_fields(_inside(field)))).items()})
        else:
            found.setdefault(field.name, []).append(_text(field.words[-1]))
    return {name: values[0] if len(values) == 1 else tuple(values) for name, values in found.items()}


def _text(word: Token) -> str:
    return str(ast.literal_eval(word.text)) if word.kind == "string" else word.text


def _fields(words: list[Token]) -> Iterator[_Field]:
    """Yield the fields at the outer level; of a file with mistakes as far as it makes sense."""
    place = 0
    while place < len(words):
        start = place
        if words[place].kind != "name":
            place += 1
            continue
        place += 1
        if place < len(words) and words[place].text == ":":
            place += 1
        depth = 0
        while place < len(words):
            depth += (words[place].text in _OPEN) - (words[place].text in _CLOSE)
            place += 1
            if depth <= 0:
                break
        used = words[start:place]
        yield _Field(words[start].text, used, used[-1].offset + len(used[-1].text))
