"""OwnFields: what a prototxt says in the messages of a layer, for types whose messages the schema does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf import text_format

from caffelite.core.errors import LayerError
from caffelite.core.prototxt.own_fields import FIELD, TextField, read_fields, string_value
from caffelite.core.prototxt.suggest import any_of, did_you_mean
from caffelite.proto.caffe_pb2 import LayerParameter

_NAMES_OF_BOOL = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}
_NUMBERS_OF_BOOL = {"1": True, "0": False}
_INT = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)$")
_NOT_FINITE = re.compile(r"-?(?:inf|infinity|nan)$", re.IGNORECASE)
_KINDS: dict[type, tuple[str, str]] = {
    int: ("a whole number", "3"),
    float: ("a number", "0.5"),
    bool: ("true or false", "true"),
    str: ("a text in quotes", '"..."'),
    dict: ("a message", "{ ... }"),
}


class MissingFieldError(LayerError, AttributeError, KeyError):
    """A field that a layer needs is not in the prototxt. KeyError and AttributeError, so that hasattr works."""

    __str__ = LayerError.__str__  # KeyError's own shows quotes


class OwnFields:
    """The fields of a message as they are written: `own["size"]` or `own.size` is the value of one that is given once.

    Values are int, float, bool, str (texts and names such as MAX) and, of messages, OwnFields. Whatever is missing,
    given several times or of another kind raises a LayerError, to which the net adds file, line and layer.
    """

    def __init__(self, fields: tuple[TextField, ...], path: str = "") -> None:
        """`path` is where the message stands in its layer: "my_param"."""
        self._fields, self._path = fields, path
        self._asked: set[str] = set()
        self._messages: dict[int, OwnFields] = {}  # offset -> those that were handed out

    def __getitem__(self, name: str) -> Any:
        """Return the value of a field that is given once."""
        return self.value(name)

    def __getattr__(self, name: str) -> Any:
        """Return the value of a field that is given once; a name with `_` in front is never a field."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self.value(name)

    def value(self, name: str, kind: type | None = None) -> Any:
        """Return the value of a field that has to be given, once, as int, float, bool, str or dict (a message)."""
        values = self.all(name, kind)
        if not values:
            where = f" in {self._path}" if self._path else ""
            example = f"{name}{' ' if kind is dict else ': '}{_KINDS[kind][1]}" if kind else name
            raise MissingFieldError(
                self._at(name), "not given", f"write {example}{where}{did_you_mean(name, self._names())}"
            )
        if len(values) > 1:
            raise LayerError(self._at(name, 1), f"given {len(values)} times", "give it once")
        return values[0]

    def get(self, name: str, default: Any = None, kind: type | None = None) -> Any:
        """Return the value of a field, or `default` if it is not given; it has to be of `kind`, that of the default."""
        if kind is None and type(default) in _KINDS:
            kind = type(default)
        return self.value(name, kind) if name in self else default

    def all(self, name: str, kind: type | None = None) -> list[Any]:
        """Return all values of a field, in their order: `dim: 2 dim: 3`, `dim: [2, 3]`; none if it is not given."""
        self._asked.add(name)
        found = [field for field in self._fields if field.name == name]
        return [self._value(field, kind, number) for number, field in enumerate(found)]

    def __contains__(self, name: object) -> bool:
        self._asked.add(str(name))
        return any(field.name == name for field in self._fields)

    def __iter__(self) -> Iterator[str]:
        """Names of the fields that are given, each once, in their order."""
        self._asked.update(self._names())
        return iter(self._names())

    def _names(self) -> list[str]:
        return list(dict.fromkeys(field.name for field in self._fields))

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        return f"<OwnFields {self._path or 'of a layer'}: {', '.join(self._names()) or 'none'}>"

    def unread(self) -> Iterator[tuple[str, str]]:
        """Yield path and advice for each field in a message that was looked at which nobody asked for."""
        for name in self._names():
            if self._path and name not in self._asked:
                others = self._asked - {field.name for field in self._fields}
                yield self._at(name), f"the layer did not read it when it was set up{did_you_mean(name, others)}"
        for message in self._messages.values():
            yield from message.unread()

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names()]

    def _at(self, name: str, number: int = 0) -> str:
        path = f"{self._path}.{name}" if self._path else name
        return f"{path}[{number}]" if number else path

    def _value(self, field: TextField, kind: type | None, number: int) -> Any:
        if kind is not None and kind not in _KINDS:
            raise TypeError(f"kind is {any_of(known.__name__ for known in _KINDS)}, not {kind!r}")
        path = self._at(field.name, number)
        if field.kind == "message" and kind in (None, dict):
            return self._messages.setdefault(field.offset, OwnFields(field.fields, path))
        value = None if field.kind == "message" else _as_kind(field, kind)
        if value is None:
            assert kind is not None
            shown = "a message" if field.kind == "message" else field.text
            noun, example = _KINDS[kind]
            raise LayerError(path, shown, f"use {noun}: {field.name}{' ' if kind is dict else ': '}{example}")
        return value


def own_fields_of(layer_param: LayerParameter) -> OwnFields:
    """Return what a layer's prototxt says in its messages `*_param`, those that the schema knows among them."""
    text = [getattr(layer_param, FIELD)]
    for known, value in layer_param.ListFields():
        if known.name.endswith("_param") and known.message_type is not None:
            text.append(f"{known.name} {{ {text_format.MessageToString(value, as_utf8=True)} }}")
    try:
        return OwnFields(read_fields("\n".join(text)))
    except ValueError as err:
        raise LayerError(FIELD, f'"{text[0]}"', f"{err}; write the fields themselves into the layer") from None


def _as_kind(field: TextField, kind: type | None) -> Any:
    """Return the value of a word, as `kind` if that is given; None if it is none."""
    if kind is dict:
        return None
    if field.kind == "string":
        return string_value(field.text) if kind in (None, str) else None
    if kind is bool:
        return {**_NAMES_OF_BOOL, **_NUMBERS_OF_BOOL}.get(field.text)
    if kind is str:
        return field.text if field.kind == "name" else None
    number = _number(field)
    if kind is None:
        return number if number is not None else _NAMES_OF_BOOL.get(field.text, field.text)
    if number is None or (kind is int and not isinstance(number, int)):
        return None
    return kind(number)


def _number(field: TextField) -> int | float | None:
    """Return the number that a word is, read as protobuf does: 0x10 is 16, 010 is 8; None for other words."""
    text = field.text
    if field.kind == "name":
        return float(text) if _NOT_FINITE.match(text) else None
    if _INT.match(text):
        digits = text.lstrip("+-")
        octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0"
        try:
            value = int(digits, 8 if octal else 0)
        except ValueError:  # 08, or more digits than Python takes
            return None
        return -value if text.startswith("-") else value
    try:
        return float(text.rstrip("fF"))
    except ValueError:
        return None
