"""Walk through a prototxt beside its schema: the line of every field, and every mistake at once.

protobuf's own parser stops at the first mistake and forgets lines; it still makes the message (see parse.py).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from caffelite.core.prototxt import own_fields
from caffelite.core.prototxt.braces import CLOSER
from caffelite.core.prototxt.forks import is_harmless
from caffelite.core.prototxt.tokens import Source, Token
from caffelite.core.prototxt.unknown_fields import LeftOut, are_allowed, may_be_left_out, unknown_field
from caffelite.core.prototxt.values import mistake_in, wrong_escape

_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
_FIELD = re.compile(r"\s*[A-Za-z_]\w*\s*[:{]")
_CURLY = tuple("\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+$")
_NUMBER = re.compile(r"\s*[+-]?\.?[0-9]")
DEEPEST = 50  # messages within messages; Caffe's own schema has 5
MOST_MISTAKES = 30  # shown of one file, the first ones; a file of another kind has hundreds


@dataclass
class Scan:
    """What the walk found.

    mistakes: (offset, text) in the order of the file; the walk ends at bad syntax, and goes on after all others.
    values: each field's last word, by path, such as `layer[3].type`.
    unknown: names of fields of the outermost message that it does not have.
    unclosed: offset of the brace that is open at the end.
    unopened: whether a message lacks the brace that opens it, so that the count of braces says nothing more.
    left_out: fields that are not read: without effect here, or unknown and allowed. Nothing in them is a mistake.
    misplaced: (offset, path of the message, name) of fields that another message has.
    strange: the same of all fields that their message does not have.
    carried: fields of layers of users' types that the schema cannot read; nothing in them is a mistake.
    """

    table: dict[str, int] = field(default_factory=dict)
    values: dict[str, Token] = field(default_factory=dict)
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unclosed: int | None = None
    unopened: bool = False
    left_out: list[LeftOut] = field(default_factory=list)
    misplaced: list[tuple[int, str, str]] = field(default_factory=list)
    strange: list[tuple[int, str, str]] = field(default_factory=list)
    carried: list[own_fields.Carried] = field(default_factory=list)


class _BadSyntax(Exception):
    """The walk cannot go on; the mistake is noted."""


def scan(source: Source, descriptor: Descriptor) -> Scan:
    """Walk through the text of a message of type `descriptor`; raises nothing."""
    walk = _Walk(source)
    with suppress(_BadSyntax):  # noted among the mistakes
        walk.message(descriptor, "", Token("sign", "", 0))
    return walk.found


class _Walk:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.found = Scan()
        self.depth = 0
        self.last: tuple[FieldDescriptor, Token] | None = None  # the field whose value was walked over last
        self._tokens: Iterator[Token] = source.tokens()
        self.token = next(self._tokens)
        self.end = 0  # of the word that was walked over last

    def advance(self) -> Token:
        token = self.token
        self.end = token.offset + len(token.text)
        self.token = next(self._tokens, token)
        return token

    def accept(self, *signs: str) -> bool:
        if self.token.kind == "sign" and self.token.text in signs:
            self.advance()
            return True
        return False

    def mistake(self, token: Token, text: str | Callable[[], str]) -> None:
        """Note a mistake; a text that takes time to make (near names) is made only if somebody will read it."""
        if callable(text):
            text = text() if len(self.found.mistakes) < MOST_MISTAKES else ""
        self.found.mistakes.append((token.offset, text))

    def stop(self, token: Token, text: str) -> _BadSyntax:
        self.mistake(token, text)
        return _BadSyntax()

    def unexpected(self, token: Token, value: bool = False) -> _BadSyntax:
        line = self.source.text[token.offset :].partition("\n")[0]
        within = (
            rf"; \{token.text} is a quote within it" if token.text in ('"', "'") and f"\\{token.text}" in line else ""
        )
        return self.stop(token, _unexpected(token, value) + within)

    def message(self, descriptor: Descriptor | None, path: str, opener: Token) -> None:
        """Walk to the end of a message; descriptor None: inside an unknown field, whose contents nobody can judge."""
        closer = CLOSER.get(opener.text, "}" if opener.kind == "name" else "")
        counts: dict[str, int] = {}
        spans: list[own_fields.Span] = []
        while True:
            if self.token.kind == "end":
                if closer and opener.kind != "sign":
                    raise _BadSyntax  # that its opener is missing is noted
                if closer:
                    self.found.unclosed = opener.offset
                    raise self.stop(opener, f'"{opener.text}" is never closed; add "{closer}"')
                return
            if closer and self.accept(closer):
                if descriptor is not None and descriptor.name == own_fields.LAYER:
                    self.carry(path, spans)
                return
            name, first = self.token, len(self.found.mistakes)
            self.field(descriptor, path, counts)
            self.accept(",", ";")
            if self.token.kind == "number" and self.last is not None:
                self.further_numbers(*self.last)
            if descriptor is not None and len(self.found.mistakes) > first and name.kind == "name":
                self.leave_out(descriptor, path, name, first)
            if descriptor is not None and descriptor.name == own_fields.LAYER:
                known = descriptor.fields_by_name.get(name.text)
                last = len(self.found.mistakes)
                spans.append(own_fields.Span(name.text, known, name.offset, self.end, first, last))

    def leave_out(self, descriptor: Descriptor, path: str, name: Token, first: int) -> None:
        """Note a field with mistakes, from number `first` on, that is not read at all, and forget those."""
        known = descriptor.fields_by_name.get(name.text)
        if known is None and not may_be_left_out(name.text, descriptor, path):
            self.found.misplaced.append((name.offset, path, name.text))
        elif is_harmless(descriptor.name, name.text) if known is not None else are_allowed():
            del self.found.mistakes[first:]
            place = path.rpartition(".")[2].partition("[")[0] or descriptor.name
            self.found.left_out.append(LeftOut(name.text, place, name.offset, self.end, known is not None))

    def carry(self, path: str, spans: list[own_fields.Span]) -> None:
        """Note which fields of a layer, at its end, its type gets as text."""
        given = self.found.values.get(f"{path}.type")
        layer_type = given.text[1:-1] if given is not None else ""
        self.found.carried += own_fields.carried_of(path, layer_type, spans, self.found.mistakes)

    def further_numbers(self, known: FieldDescriptor, first: Token) -> None:
        """Note numbers where a field should stand: `dim: 2,3` is meant as a list, `lr_mult: 0,5` as 0.5."""
        numbers, end = [first.text], 0
        while self.token.kind == "number":
            end = self.token.offset + len(self.token.text)
            numbers.append(self.advance().text)
            self.accept(",")
        given = self.source.text[first.offset : end]
        fix = "it takes one number"
        if _is_repeated(known):
            fix = f"write {known.name}: [{', '.join(numbers)}]"
        elif known.cpp_type in _FLOATS and len(numbers) == 2 and "," in given:
            fix = f"write it with a point: {'.'.join(numbers)}"
        elif _THOUSANDS.match(given):
            fix = f"write {''.join(numbers)}"
        self.mistake(first, f"{known.name} is {given}; {fix}")

    def field(self, descriptor: Descriptor | None, path: str, counts: dict[str, int]) -> None:
        name = self.token
        if name.kind != "name":
            raise self.unexpected(name)
        self.advance()
        known = None if descriptor is None else descriptor.fields_by_name.get(name.text)
        if known is None and descriptor is not None:
            self.mistake(name, partial(unknown_field, name.text, descriptor, path))
            self.found.strange.append((name.offset, path, name.text))
            if not path:
                self.found.unknown.append(name.text)
        start = f"{path}.{name.text}" if path else name.text
        colon = self.accept(":")
        if known is not None and known.message_type is not None:
            if self.opener_is_missing(name):
                self.entry(known, name, start, counts, opened=False)
                return
            if self.only_numbers(known.name, known.message_type.fields):
                return
        if not colon and self.token.kind in ("string", "number", "name"):
            self.mistake(name, f"{name.text} {own_fields.NO_COLON}")
        if self.accept("["):
            self.entries(known, name, start, counts)
        else:
            self.entry(known, name, start, counts)

    def opener_is_missing(self, name: Token) -> bool:
        """Note that a message, the value of field `name`, begins without its brace or with another sign."""
        token = self.token
        if token.kind == "sign" and (token.text == "(" or token.text == "[" and self.begins_field(token.offset + 1)):
            self.found.unopened = True
            raise self.stop(token, f'"{token.text}" stands where "{{" should, as in {name.text} {{ ... }}')
        if token.kind != "name" or not self.begins_field(token.offset):
            return False
        self.found.unopened = True
        self.mistake(name, f'{name.text} lacks its "{{"; write {name.text} {{ ... }}')
        return True

    def only_numbers(self, name: str, fields: Sequence[FieldDescriptor]) -> bool:
        """Walk over numbers that stand for a message and note them once: `shape: 2,3` or `shape: [2, 3]`."""
        first, numbers = self.token, []
        listed = first.text == "[" and _NUMBER.match(self.source.text, first.offset + 1) is not None
        if first.kind != "number" and not listed:
            return False
        self.accept("[")
        while self.token.kind == "number":
            numbers.append(self.advance().text)
            self.accept(",")
        if listed:
            self.accept("]")
        dims = len(fields) == 1 and _is_repeated(fields[0])
        given = ", ".join(numbers)
        inside = f"{fields[0].name}: [{given}]" if dims else "..."
        self.mistake(first, f"{name} is {given}, but is a message; write {name} {{ {inside} }}")
        self.last = None
        return True

    def begins_field(self, offset: int) -> bool:
        """Whether a field begins at the offset: a name, then a colon or a brace."""
        return _FIELD.match(self.source.text, offset) is not None

    def entries(self, known: FieldDescriptor | None, name: Token, start: str, counts: dict[str, int]) -> None:
        """Walk through `[1, 2]`."""
        if known is not None and not _is_repeated(known):
            self.mistake(name, f"{name.text} takes one value, not a list")
            known = None
        if self.accept("]"):
            return
        self.entry(known, self.token, start, counts)
        while not self.accept("]"):
            if not self.accept(","):
                raise self.stop(self.token, f'the list of {name.text} needs "," or "]" here')
            self.entry(known, self.token, start, counts)

    def entry(
        self, known: FieldDescriptor | None, name: Token, start: str, counts: dict[str, int], opened: bool = True
    ) -> None:
        """Walk over one value of a field, and note where it stands; `opened`: not a message that lacks its brace."""
        path = start
        if known is not None:
            number = counts.get(known.name, 0)
            counts[known.name] = number + 1
            if _is_repeated(known):
                path = f"{start}[{number}]"
            elif number:
                self.mistake(name, f"{known.name} is given twice; the first is on line {self.found.table[path]}")
            self.found.table.setdefault(path, self.source.line(name.offset))
        if not opened and known is not None:
            self.message(known.message_type, path, name)
        elif self.token.text in CLOSER and self.token.kind == "sign":
            self.inner_message(known, name, path)
        else:
            self.scalar(known, path)

    def inner_message(self, known: FieldDescriptor | None, name: Token, path: str) -> None:
        opener = self.advance()
        if known is not None and known.message_type is None:
            self.mistake(name, f"{known.name} takes one value, not a message in braces")
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.stop(opener, f"more than {DEEPEST} messages within each other")
        self.message(None if known is None else known.message_type, path, opener)
        self.depth -= 1

    def scalar(self, known: FieldDescriptor | None, path: str) -> None:
        token = self.token
        if token.kind not in ("string", "number", "name"):
            raise self.unexpected(token, value=True)
        self.escapes(self.advance(), path)
        while token.kind == "string" and self.token.kind == "string":  # "a" "b" is one string, as in C
            self.escapes(self.advance(), path)
        self.last = None
        if known is None:
            return
        self.found.values[path] = token
        self.last = known, token
        if known.message_type is not None:
            self.mistake(token, f"{known.name} is {token.text}, but is a message; write {known.name} {{ ... }}")
            return
        wrong = mistake_in(known, token)
        if wrong:
            self.mistake(token, wrong)

    def escapes(self, token: Token, path: str) -> None:
        wrong = wrong_escape(token.text) if token.kind == "string" else ""
        if wrong:
            self.mistake(token, f"{path.rpartition('.')[2].partition('[')[0]} is {token.text}; {wrong}")


def _is_repeated(known: FieldDescriptor) -> bool:
    # new protobufs warn about `label`, old ones do not know `is_repeated`; the default value is a list in all of them
    return isinstance(known.default_value, list)


def _unexpected(token: Token, value: bool) -> str:
    wanted = "a value" if value else "the name of a field"
    if token.kind == "end":
        return f"the file ends where {wanted} should stand"
    if token.text == "=":
        return '"=" stands where ":" should, as in kernel_size: 3'
    if token.text == "(":
        return '"(" stands where a value should; lists are written as dim: [2, 3]'
    if token.text in _CURLY:
        return f'"{token.text}" is a quote of word processors; write plain ones: "'
    if token.text == "/":
        return 'comments begin with "#"'
    if token.kind == "sign" and token.text in "\"'":
        return "this string is not closed on its line"
    if token.kind == "string":
        return f"{token.text} stands where the name of a field should; names have no quotes"
    return f'"{token.text}" stands where {wanted} should'
