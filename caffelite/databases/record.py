"""What there is to say about one record of a database, whether it can be used or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import printable

Labels = tuple[float, ...]  # int or float each; one, several, or none

FORMATS = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"GIF8", "GIF"),
    (b"RIFF", "WebP"),
    (b"II", "TIFF"),
    (b"MM", "TIFF"),
)


class Record(NamedTuple):
    """A record by its place in the database: its key, its size in bytes, and what is in it.

    form: how the values are stored: uint8 and float32 are raw, JPEG, PNG, ... are encoded. pixels: the values,
    if they were asked for. problem: why it cannot be used; shape, form and labels say nothing then. number: more than
    1 where so many records that follow each other cannot be read, not even their keys; 0 where it is not known how
    many these are.
    """

    place: int
    key: str
    size: int
    shape: Shape = ()
    form: str = ""
    labels: Labels = ()
    pixels: Array | None = None
    problem: str = ""
    number: int = 1


class Contents(Protocol):
    """The records of a database that is open."""

    kind: str
    path: Path
    count: int
    broken: list[tuple[str, str]]  # files of a list that cannot be read, with the reason

    def portions(self, start: int, stop: int, pixels: bool = False) -> Iterator[list[Record]]:
        """Give the records from place `start` to before `stop`, some at a time, with their pixels if asked for.

        What cannot be read is among them, with its problem.
        """

    def facts(self) -> list[tuple[str, str]]:
        """Return what is known without reading records, each with its name."""

    def close(self) -> None:
        """Give back files and threads."""


def unreadable(place: int, problem: str, number: int = 1) -> Record:
    """Return what stands for records of which nothing can be read."""
    key = f"record {place}" if number == 1 else f"records {place} to {place + number - 1}"
    return Record(place, key, 0, problem=problem, number=number)


def joined(first: list[Record], second: list[Record]) -> list[Record]:
    """Return both; what is unreadable at the end of one and the beginning of the other, for one reason, as one."""
    before, after = first[-1], second[0]
    if before.size or after.size or before.problem != after.problem:
        return first + second
    return [*first[:-1], unreadable(before.place, before.problem, before.number + after.number), *second[1:]]


def key_text(key: bytes) -> str:
    """Return a key as people read it; what is no text becomes escapes."""
    return printable(key.decode(errors="backslashreplace"))


def format_of(data: bytes) -> str:
    """Return the name of the format of an image file's bytes; `encoded` for one that is not known here."""
    return next((name for start, name in FORMATS if data.startswith(start)), "encoded")


def labels_text(labels: Labels) -> str:
    """Return labels with blanks between them, whole numbers without a point; `-` for none."""
    return " ".join(f"{label:g}" for label in labels) or "-"
