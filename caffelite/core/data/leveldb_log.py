"""The log files of LevelDB, the MANIFEST among them, taken apart to see whether they are whole.

LevelDB passes over zeros in them, and takes a file that is cut short for the work of a program that was killed: records
would be missing without a word. Source: db/log_format.h of LevelDB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

BLOCK = 1 << 15  # bytes; no piece goes over the border of two
HEADER = struct.Struct("<IHB")  # checksum, which is left to LevelDB, length and kind of the piece
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
BEGINS, ENDS = (FULL, FIRST), (FULL, LAST)
CUT = "it ends within a record"


class LogError(Exception):
    """A log file that is not whole; the text says what is wrong, and does not name the file."""


class Piece(NamedTuple):
    """A piece of a record, and whether it is the last one."""

    data: bytes
    is_last: bool


def pieces(file: BinaryIO) -> Iterator[Piece]:
    """Give the pieces of the records in a log file, from its start; LogError where it is damaged or cut short."""
    inside = False  # a record
    start = 0
    while block := file.read(BLOCK):
        at = 0
        while BLOCK - at >= HEADER.size and at < len(block):
            if len(block) - at < HEADER.size:
                raise LogError(CUT)
            _, length, kind = HEADER.unpack_from(block, at)
            end = at + HEADER.size + length
            if kind not in (FULL, FIRST, MIDDLE, LAST) or end > BLOCK or (kind in BEGINS) == inside:
                raise LogError(f"there is no record where one should be, at byte {start + at}")
            if end > len(block):
                raise LogError(CUT)
            yield Piece(block[at + HEADER.size : end], kind in ENDS)
            inside = kind not in ENDS
            at = end
        start += len(block)
    if inside:
        raise LogError(CUT)


def records(file: BinaryIO) -> Iterator[bytes]:
    """Give the records of a log file that is small, such as a MANIFEST; LogError as `pieces`."""
    parts: list[bytes] = []
    for piece in pieces(file):
        parts.append(piece.data)
        if piece.is_last:
            yield b"".join(parts)
            parts.clear()
