"""Text with mistakes of a net or solver, as far as it can be read: the fields with mistakes are left out of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from caffelite.core.errors import CaffeliteError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.braces import CLOSER
from caffelite.core.prototxt.parse import parse_net, parse_text, read_text
from caffelite.core.prototxt.tokens import Source, Token
from caffelite.core.prototxt.upgrade import upgrade_net
from caffelite.core.solver.file import SolverFile, as_read
from caffelite.proto.caffe_pb2 import SolverParameter

BRACKETS = {**CLOSER, "[": "]"}
LAYERS = ("layer", "layers")
WIRING = ("name", "type", "bottom", "top", "include", "exclude", "phase")  # what is kept of a layer with a mistake


class _Field(NamedTuple):
    """A field in a text: its name, where it begins and ends, and the words inside its braces; none without."""

    name: str
    start: int
    end: int
    inside: list[Token]

    def has(self, offsets: Collection[int]) -> bool:
        """Whether one of the offsets is in it."""
        return any(self.start <= offset < self.end for offset in offsets)


class Mended(NamedTuple):
    """A net, and the numbers of its layers with mistakes, of which only name, type, bottoms, tops and rules are there.

    Lines are those of the file. `left_out` are warnings of fields that were not read.
    """

    draft: Draft
    mistaken: frozenset[int]
    left_out: tuple[str, ...] = ()


def readable(path: str, places: Collection[tuple[int, int]]) -> Mended | None:
    """Return the net in a file that has mistakes at these lines and columns; None if the rest cannot be read either."""
    source, wrong = _source(path, places)
    mistaken = [field for field in _fields(list(source.tokens())) if field.has(wrong)]
    text = _without(source.text, _without_mistakes(mistaken, wrong))
    try:
        parsed, lines_of_file = parse_net(text, path)
        param, lines, _ = upgrade_net(parsed, lines_of_file)
    except CaffeliteError:  # the mistake is one of syntax, which the file's own errors have told
        return None
    draft = Draft.of(param, lines)
    begins = {source.line(field.start) for field in mistaken if field.name in LAYERS}
    layers = (
        i for i, place in enumerate(draft.places) if place is not None and place.lines.line(place.prefix) in begins
    )
    return Mended(draft, frozenset(layers), lines_of_file.left_out)


def readable_solver(path: str, places: Collection[tuple[int, int]]) -> SolverFile | None:
    """Return the solver in a file that has mistakes at these lines and columns, without the fields that have them.

    None if the rest cannot be read either.
    """
    source, wrong = _source(path, places)
    text = _without(source.text, (field for field in _fields(list(source.tokens())) if field.has(wrong)))
    param = SolverParameter()
    try:
        return as_read(param, parse_text(text, param, path), Path(path))
    except CaffeliteError:  # as for nets
        return None


def _source(path: str, places: Collection[tuple[int, int]]) -> tuple[Source, list[int]]:
    """Return the text, and where in it these lines and columns are."""
    source = Source(path, read_text(path))
    starts = [0]
    for line in source.text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return source, [starts[line - 1] + column - 1 for line, column in places if 0 < line < len(starts)]


def _without(text: str, fields: Iterable[_Field]) -> str:
    """Return the text with spaces in place of the fields, so that all else stays where it is."""
    for field in fields:
        blank = "".join(c if c == "\n" else " " for c in text[field.start : field.end])
        text = text[: field.start] + blank + text[field.end :]
    return text


def _without_mistakes(mistaken: list[_Field], wrong: list[int]) -> Iterator[_Field]:
    """Yield the fields to leave out of those with mistakes, which are at the offsets `wrong`."""
    for field in mistaken:
        if field.name not in LAYERS or not field.inside:
            yield field
            continue
        for inner in _fields(field.inside):
            # the text of a type that nobody knows is no mistake of the text
            if inner.name not in WIRING or (inner.name != "type" and inner.has(wrong)):
                yield inner


def _fields(tokens: list[Token]) -> Iterator[_Field]:
    """Yield the fields of a message; the last token is the end of it."""
    begin = 0
    while begin < len(tokens) - 1:
        at = begin + 1
        if tokens[at].text == ":" and at + 1 < len(tokens):
            at += 1
        inner: list[Token] = []
        if tokens[at].kind == "sign" and tokens[at].text in BRACKETS:
            opener, at = at, _closing(tokens, at)
            inner = tokens[opener + 1 : at + 1]
        else:
            while tokens[at].kind == "string" and at + 1 < len(tokens) and tokens[at + 1].kind == "string":
                at += 1
            while at + 2 < len(tokens) and tokens[at + 1].text == "," and tokens[at + 2].kind == "number":
                at += 2  # 0,01 for 0.01, and 2,3,8 for three numbers: no field is named by a number
        yield _Field(tokens[begin].text, tokens[begin].offset, tokens[at].offset + len(tokens[at].text), inner)
        begin = at + 1
        while begin < len(tokens) and tokens[begin].text in (",", ";"):
            begin += 1


def _closing(tokens: list[Token], at: int) -> int:
    """Return where the message or list that opens at `at` is closed, or the last token."""
    depth = 0
    for place in range(at, len(tokens)):
        if tokens[place].kind == "sign":
            depth += (tokens[place].text in BRACKETS) - (tokens[place].text in BRACKETS.values())
        if not depth:
            return place
    return len(tokens) - 1
