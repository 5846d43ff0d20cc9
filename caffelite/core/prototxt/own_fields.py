"""Fields of a prototxt that the schema lacks, in layers of types that the user registered: kept as text.

Such a layer's LayerParameter has them in `own_fields`, in one form whatever the file's layout is, so that they live
through whatever happens to the message: filtering, upgrading, writing. OwnFields (core/layer_fields.py) reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from textwrap import indent
from typing import NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.text_encoding import CUnescape

from caffelite.core.prototxt.tokens import Source, Token
from caffelite.core.prototxt.unknown_fields import LeftOut
from caffelite.core.prototxt.values import NO_ESCAPE

# Names of layer types that somebody outside of this package registered; core/layer.py fills it.
USER_TYPES: set[str] = set()
# Types of which the same holds while certain nets are read.
_MORE: ContextVar[frozenset[str]] = ContextVar("more types", default=frozenset())
LAYER = "LayerParameter"
FIELD = "own_fields"
NO_COLON = 'needs a ":" before its value'  # of a mistake that is one whatever the schema
ONE_LINE = 100  # characters of a message that stands on one line
_FOLDED = re.compile(rf'^( *){FIELD}: ("(?:[^"\\]|\\.)*")$', re.MULTILINE)
_PART = re.compile(r"(\w+)(?:\[(\d+)\])?")


class TextField(NamedTuple):
    """A field as written: its value is a word (kind string, number or name), or the fields of a message.

    `offset` is where its name stands in the text.
    """

    name: str
    kind: str
    text: str
    fields: tuple[TextField, ...]
    offset: int


class Span(NamedTuple):
    """Where a field of a layer stands, `start` to `end`, and which of the mistakes, `first` to `last`, are in it."""

    name: str
    known: FieldDescriptor | None
    start: int
    end: int
    first: int
    last: int


class Carried(NamedTuple):
    """A field that its layer, at path `layer[3]`, gets as text: bytes `start` to `end` of the file's text."""

    layer: str
    start: int
    end: int


@contextmanager
def kept_for(types: Iterable[str]) -> Iterator[None]:
    """Keep such fields of layers of these types, too, in nets that are read within."""
    token = _MORE.set(frozenset(types))
    try:
        yield
    finally:
        _MORE.reset(token)


def read_fields(text: str) -> tuple[TextField, ...]:
    """Return the fields of a text that a walk found free of bad syntax; ValueError for one that no walk saw."""
    return tuple(_Reader(text).fields())


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = Source("", text).tokens()
        self.token = next(self._tokens)

    def fields(self, closers: tuple[str, ...] = ()) -> Iterator[TextField]:
        """Yield the fields up to the sign that closes the message, or to the end."""
        while self.token.kind != "end" and not (self.token.kind == "sign" and self.token.text in closers):
            name = self._take("name")
            self._skip(":")
            if self._skip("["):
                while not self._skip("]"):
                    yield self._value(name)
                    self._skip(",")
            else:
                yield self._value(name)
            self._skip(",", ";")
        if closers and not self._skip(*closers):
            raise ValueError("a message is not closed")

    def _value(self, name: Token) -> TextField:
        if self.token.text == "{" and self._skip("{"):
            return TextField(name.text, "message", "", tuple(self.fields(("}",))), name.offset)
        if self.token.text == "<" and self._skip("<"):
            return TextField(name.text, "message", "", tuple(self.fields((">",))), name.offset)
        token = self._take("string", "number", "name")
        if token.kind != "string":
            return TextField(name.text, token.kind, token.text, (), name.offset)
        parts = [token.text]
        while self.token.kind == "string":  # "a" "b" is one string, as in C
            parts.append(self._take("string").text)
        whole = '"' + "".join(part[1:-1] if part[0] == '"' else _double_quoted(part) for part in parts) + '"'
        return TextField(name.text, "string", whole, (), name.offset)

    def _take(self, *kinds: str) -> Token:
        token = self.token
        if token.kind not in kinds:
            raise ValueError(f'"{token.text}" stands where a {" or ".join(kinds)} should')
        self.token = next(self._tokens, token)
        return token

    def _skip(self, *signs: str) -> bool:
        if self.token.kind != "sign" or self.token.text not in signs:
            return False
        self.token = next(self._tokens, self.token)
        return True


def _double_quoted(part: str) -> str:
    return re.sub(r'(\\.)|"', lambda match: match[1] or r"\"", part[1:-1])


def string_value(text: str) -> str:
    """Return what a string in double quotes stands for."""
    return CUnescape(text[1:-1]).decode(errors="replace")


def written(fields: tuple[TextField, ...]) -> str:
    """Return the fields as text: one a line, a short message without messages within on one line, too."""
    return "\n".join(line for field in fields for line in _lines(field))


def _lines(field: TextField) -> list[str]:
    if field.kind != "message":
        return [f"{field.name}: {field.text}"]
    inner = [line for own in field.fields for line in _lines(own)]
    one_line = f"{field.name} {{ {' '.join(inner)} }}" if inner else f"{field.name} {{ }}"
    if len(one_line) <= ONE_LINE and all(own.kind != "message" for own in field.fields):
        return [one_line]
    return [f"{field.name} {{", *(f"  {line}" for line in inner), "}"]


def paths(fields: tuple[TextField, ...], prefix: str) -> Iterator[tuple[str, int]]:
    """Yield path and offset of each field: the first of a name is `a.b`, and the next ones are `a.b[1]`, `a.b[2]`."""
    counts: dict[str, int] = {}
    for field in fields:
        number = counts.get(field.name, 0)
        counts[field.name] = number + 1
        path = f"{prefix}{field.name}" + (f"[{number}]" if number else "")
        yield path, field.offset
        yield from paths(field.fields, f"{path}.")


def carried_of(layer: str, layer_type: str, spans: list[Span], mistakes: list[tuple[int, str]]) -> list[Carried]:
    """Return which fields of a layer its type gets as text, and take their mistakes off the list.

    Those that the schema lacks and those messages that it cannot read; none of a type that is not the user's.
    """
    if layer_type not in USER_TYPES | _MORE.get():
        return []
    names = {span.name for span in spans if span.known is None or (span.first < span.last and _is_own(span.known))}
    taken = [span for span in spans if span.name in names]
    for span in reversed(taken):
        within = mistakes[span.first : span.last]
        unreadable = [one for one in within if NO_COLON in one[1] or NO_ESCAPE in one[1]]
        mistakes[span.first : span.last] = unreadable
    return [Carried(layer, span.start, span.end) for span in taken]


def _is_own(known: FieldDescriptor) -> bool:
    """Whether a field of the layer is the message of one type or another, which other repositories have otherwise."""
    return known.name.endswith("_param") and known.message_type is not None


def without(text: str, carried: Sequence[Carried | LeftOut]) -> str:
    """Return the text with blanks in place of the fields, so that all else stays where it is."""
    parts, end = [], 0
    for field in carried:
        parts += [text[end : field.start], re.sub(r"[^\n]", " ", text[field.start : field.end])]
        end = field.end
    return "".join([*parts, text[end:]])


def put(message: Message, text: str, source: Source, carried: list[Carried], table: dict[str, int]) -> None:
    """Give each layer of `message` its own fields, and add their lines to the table."""
    by_layer: dict[str, list[Carried]] = {}
    for field in carried:
        by_layer.setdefault(field.layer, []).append(field)
    for path, own in by_layer.items():
        fields = tuple(
            moved for field in own for moved in _moved(read_fields(text[field.start : field.end]), field.start)
        )
        setattr(_at(message, path), FIELD, written(fields))
        table.update((f"{path}.{name}", source.line(offset)) for name, offset in paths(fields, ""))


def _moved(fields: tuple[TextField, ...], start: int) -> tuple[TextField, ...]:
    return tuple(field._replace(offset=field.offset + start, fields=_moved(field.fields, start)) for field in fields)


def _at(message: Message, path: str) -> Message:
    """Return the message at a path such as `net_param.layer[3]`."""
    for name, index in _PART.findall(path):
        found = getattr(message, name)
        message = found[int(index)] if index else found
    return message


def unfolded(text: str) -> str:
    """Return the text of a message with the fields themselves in place of the string that holds them."""
    return _FOLDED.sub(lambda match: indent(string_value(match[2]), match[1]), text)


def of_value(name: str, value: object) -> str:
    """Return the text of a field that a program gives: a number, a text, a list of these, or a dict of fields.

    Raises ValueError for anything else.
    """
    if isinstance(value, list | tuple):
        return "\n".join(of_value(name, item) for item in value)
    if isinstance(value, Mapping):
        inner = "\n".join(of_value(str(key), item) for key, item in value.items())
        return written(read_fields(f"{name} {{ {inner} }}"))
    if isinstance(value, bool):
        return f"{name}: {str(value).lower()}"
    if isinstance(value, str):
        escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        return f'{name}: "{escaped}"'
    if hasattr(value, "item"):  # numpy's numbers
        return of_value(name, value.item())
    if isinstance(value, int | float):
        return f"{name}: {value!r}"
    raise ValueError(f"{name} is {value!r}; use numbers, texts, lists and dicts of them")
