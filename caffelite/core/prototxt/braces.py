"""Which brace is missing or too many, told from the layers and the indentation.

The walk along the schema only notices far behind it, and then at each field.
"""

from __future__ import annotations

from typing import NamedTuple

from caffelite.core.prototxt.tokens import Source, Token

CLOSER = {"{": "}", "<": ">"}
# A message of this name never stands inside one of these, which has then lost its end; `layers { layer {` is V0's form.
_APART = {"layer": ("layer",), "layers": ("layer", "layers")}
_START = Token("sign", "", 0)


class Unbalanced(NamedTuple):
    """A brace without its other half, as offset and error text; mistakes from the offset `noise` on follow from it."""

    offset: int
    text: str
    noise: int


class _Open(NamedTuple):
    """A message that has begun: its name, its brace, and how far its line is indented if the name begins the line."""

    name: str
    brace: Token
    column: int | None


def unbalanced(source: Source) -> Unbalanced | None:
    """Return the brace that is never closed or closes nothing; None if there are as many of the one as of the other."""
    signs = [token.text for token in source.tokens() if token.kind == "sign"]
    balance = sum((text in CLOSER) - (text in CLOSER.values()) for text in signs)
    if not balance:
        return None
    return _unclosed(source) if balance > 0 else _surplus(source)


def _surplus(source: Source) -> Unbalanced:
    name = first = last = _START  # first, last: the braces of the outermost message that was closed last
    column: int | None = None  # of that message
    depth = 0
    for token in source.tokens():
        if token.kind == "name":
            name = token
            indented = _column(source, token)
            if last.text and not depth and indented is not None and column is not None and indented > column:
                text = f'this "{last.text}" is one too many: it closes the "{first.text}" of line '
                text += f"{source.line(first.offset)}, and line {source.line(token.offset)} seems to go on in that"
                return Unbalanced(last.offset, text, last.offset)
        elif token.kind == "sign" and token.text in CLOSER:
            if not depth:
                first, column = token, _column(source, name)
            depth += 1
        elif token.kind == "sign" and token.text in CLOSER.values():
            if not depth:
                break
            depth, last = depth - 1, token
    text = f'this "{token.text}" closes nothing'
    if last.text:
        begun, closed = source.line(first.offset), source.line(last.offset)
        text += f'; the "{first.text}" of line {begun} is closed on line {closed}'
    return Unbalanced(token.offset, text, first.offset if last.text else token.offset)


def _unclosed(source: Source) -> Unbalanced:
    open_: list[_Open] = []
    suspect: tuple[_Open, Token] | None = None  # by its indentation, and in front of what it should end
    name = _START
    for token in source.tokens():
        if token.kind == "name":
            name = token
        elif token.kind == "sign" and token.text in CLOSER:
            if any(opened.name in _APART.get(name.text, ()) for opened in open_):
                return _missing(source, *(suspect or (open_[-1], name)))
            column = _column(source, name)
            if suspect is None and open_ and _is_beside(open_[-1], column):
                suspect = open_[-1], name
            open_.append(_Open(name.text, token, column))
        elif token.kind == "sign" and token.text in CLOSER.values() and open_:
            opened = open_.pop()
            column = _column(source, token)
            if opened.name in _APART or not open_:
                suspect = None  # what ended well had all its braces
            elif suspect is None and opened.column is not None and column is not None and column < opened.column:
                suspect = opened, token
    return _missing(source, *(suspect or (open_[-1], None)))


def _is_beside(opened: _Open, column: int | None) -> bool:
    """Whether a message that begins in this column is not inside `opened` by the looks of it."""
    if opened.column is None or column is None:
        return False
    return column < opened.column or column == opened.column > 0  # files without indentation say nothing


def _column(source: Source, token: Token) -> int | None:
    """Return how far the first word of a line is indented; None for other words."""
    before = source.text[source.text.rfind("\n", 0, token.offset) + 1 : token.offset]
    return None if before.strip() else len(before.expandtabs())


def _missing(source: Source, opened: _Open, behind: Token | None) -> Unbalanced:
    brace = opened.brace
    line = source.line(brace.offset if behind is None else behind.offset)
    place = "" if line == source.line(brace.offset) else f" before line {line}"
    return Unbalanced(brace.offset, f'"{brace.text}" is never closed; add "{CLOSER[brace.text]}"{place}', brace.offset)
