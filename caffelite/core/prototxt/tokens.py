"""Prototxt text cut into words, each knowing its place."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|\#[^\n]*)+)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<number>[+-]?\.?[0-9](?:[eE][+-]|[A-Za-z0-9_.])*)
      | (?P<name>-?[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A word of a prototxt: kind is string, number, name, sign or end (with empty text)."""

    kind: str
    text: str
    offset: int


class Source:
    """The text of a file, and where in it an offset lies.

    Lines and columns count from 1.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def line(self, offset: int) -> int:
        """Return the number of the line in which the character at `offset` stands."""
        return bisect_right(self._starts, offset)

    def where(self, offset: int) -> str:
        """Return `file:line:column: `."""
        line = self.line(offset)
        return f"{self.file}:{line}:{offset - self._starts[line - 1] + 1}: "

    def tokens(self) -> Iterator[Token]:
        """Yield the words in order, then one of kind `end`; white space and comments are left out."""
        for found in _TOKEN.finditer(self.text):
            kind = found.lastgroup
            if kind is not None and kind != "space":
                yield Token(kind, found.group(), found.start())
        yield Token("end", "", len(self.text))
