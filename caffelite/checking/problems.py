"""Problem: one thing to say about a file; how it is read out of an error's text, and how it is written."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

ERROR, WARNING, NOTE = "error", "warning", "note"

LOGGER = logging.getLogger("caffelite")
_PLACE = re.compile(r":(?:(?P<line>\d+):)?(?:(?P<column>\d+):)? (?P<text>.*)", re.DOTALL)


class Problem(NamedTuple):
    """A severity (error, warning or note), its place, and a text; line and column count from 1, 0: not known."""

    severity: str
    file: str
    line: int
    column: int
    text: str

    @classmethod
    def read(cls, severity: str, message: str, files: Sequence[str]) -> Problem:
        """Return the problem of a message that begins with its place in one of `files`: `net.prototxt:12:3: text`.

        Without a place it is of the first of them.
        """
        for file in files:
            placed = _PLACE.fullmatch(message, len(file)) if message.startswith(file) else None
            if placed is not None:
                return cls(severity, file, int(placed["line"] or 0), int(placed["column"] or 0), placed["text"])
        return cls(severity, files[0], 0, 0, message)

    def __str__(self) -> str:
        """Return it as compilers write theirs, which editors jump to: `net.prototxt:12: error: text`."""
        place = ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])
        return f"{place}: {self.severity}: {self.text}"


def distinct(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems in the order of their files and lines; what several nets of one file say stands once."""
    found = list(dict.fromkeys(problems))
    files = list(dict.fromkeys(problem.file for problem in found))
    return sorted(found, key=lambda problem: (files.index(problem.file), problem.line, problem.column))


class Records(logging.Handler):
    """Keeps the texts of what is logged: warnings, and errors."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[str] = []
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        (self.errors if record.levelno >= logging.ERROR else self.warnings).append(record.getMessage())


@contextmanager
def logged() -> Iterator[Records]:
    """Keep what the engine logs meanwhile, in place of writing it: warnings become problems, the rest is left out."""
    records = Records()
    before = LOGGER.handlers[:], LOGGER.level, LOGGER.propagate
    LOGGER.handlers[:] = [records]
    LOGGER.setLevel(logging.WARNING)
    LOGGER.propagate = False
    try:
        yield records
    finally:
        LOGGER.handlers[:], LOGGER.level, LOGGER.propagate = before
