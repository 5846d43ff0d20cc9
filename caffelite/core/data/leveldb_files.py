"""Which files belong to a LevelDB database, and whether they are whole, told without LevelDB.

LevelDB is C++: of a damaged file it may pass over records without a word, or take the memory that a damaged number asks
for and end the process. What its checksums find is left to it.
Source: db/version_edit.cc, db/filename.cc and table/format.cc of LevelDB.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from caffelite.core.data import leveldb_log
from caffelite.core.errors import DataError
from caffelite.core.files import open_file, read_file, reason_of

CURRENT = "CURRENT"  # holds the name of the MANIFEST
MANIFEST = re.compile(rb"MANIFEST-[0-9]+\n")
LOG = re.compile(r"([0-9]+)\.log")
TABLE_ENDINGS = (".ldb", ".sst")  # the second is older
COMPARATOR, LOG_NUMBER, NEXT_FILE, LAST_SEQUENCE, COMPACT, DELETED, NEW, PREVIOUS_LOG = 1, 2, 3, 4, 5, 6, 7, 9
MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
FOOTER = 48  # bytes at the end of a table
TRAILER = 5  # bytes behind a block: its compression and its checksum


class Files(NamedTuple):
    """The names of a database's files besides CURRENT."""

    manifest: str
    tables: list[str]
    logs: list[str]  # records that are in no table yet


class _Damage(Exception):
    """What is wrong, without the name of the database."""


class _Live(NamedTuple):
    """What a MANIFEST names: the sizes of the tables by their numbers, and the logs in use."""

    tables: dict[int, int]
    log: int
    previous_log: int


def looks_like_leveldb(folder: Path) -> bool:
    """Whether the folder holds files that only LevelDB makes, be they whole or not."""
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(name == CURRENT or name.startswith("MANIFEST-") or name.endswith(TABLE_ENDINGS) for name in names)


def files_of(folder: Path) -> Files:
    """Return the files of the database `folder`; DataError if that is none, or one is missing or not whole."""
    if folder.exists() and not looks_like_leveldb(folder):
        raise DataError(f"{folder} is not a LevelDB database: that is a folder with a file CURRENT in it")
    if any(folder.glob("OPTIONS-*")):
        raise DataError(f"{folder} is a RocksDB database, which LevelDB cannot read: make it again as LevelDB or LMDB")
    try:
        manifest = _manifest_name(folder)
        live = _live(folder / manifest)
        tables = [_table(folder, number, size) for number, size in sorted(live.tables.items())]
        return Files(manifest, tables, list(_logs(folder, live)))
    except FileNotFoundError as err:
        raise DataError(f"the LevelDB database {folder} is not whole: {reason_of(err)}") from None
    except OSError as err:
        raise DataError(f"cannot open the LevelDB database {folder}: {reason_of(err)}") from None
    except _Damage as err:
        raise DataError(f"the LevelDB database {folder} is damaged: {err}") from None


def _manifest_name(folder: Path) -> str:
    name = read_file(folder / CURRENT)
    if not MANIFEST.fullmatch(name):
        raise _Damage(f"{CURRENT} should name a MANIFEST")
    return name[:-1].decode()


def _live(manifest: Path) -> _Live:
    tables: dict[tuple[int, int], int] = {}  # by level and number
    numbers = {LOG_NUMBER: 0, PREVIOUS_LOG: 0}
    try:
        with open_file(manifest) as raw:
            if not os.fstat(raw.fileno()).st_size:
                raise _Damage(f"{manifest.name} holds nothing")
            for record in leveldb_log.records(raw):
                for tag, values in _fields(record):
                    if tag == NEW:
                        level, number, size = values
                        tables[level, number] = size
                    elif tag == DELETED:
                        tables.pop((values[0], values[1]), None)
                    else:
                        numbers[tag] = values[0]
    except leveldb_log.LogError as err:
        raise _Damage(f"{manifest.name}: {err}") from None
    except (IndexError, ValueError):
        raise _Damage(f"{manifest.name} does not read as one") from None
    return _Live({number: size for (_, number), size in tables.items()}, numbers[LOG_NUMBER], numbers[PREVIOUS_LOG])


def _fields(record: bytes) -> Iterator[tuple[int, list[int]]]:
    """Give tag and numbers of what a record of a MANIFEST says of tables and logs; IndexError or ValueError."""
    at = 0

    def number() -> int:
        nonlocal at
        value, at = _varint(record, at)
        return value

    def skip_bytes() -> None:
        nonlocal at
        size = number()
        at += size
        if at > len(record):
            raise IndexError

    while at < len(record):
        tag = number()
        if tag in (LOG_NUMBER, PREVIOUS_LOG):
            yield tag, [number()]
        elif tag in (NEXT_FILE, LAST_SEQUENCE):
            number()
        elif tag == COMPARATOR:
            skip_bytes()
        elif tag == COMPACT:
            number()
            skip_bytes()
        elif tag == DELETED:
            yield tag, [number(), number()]
        elif tag == NEW:
            yield tag, [number(), number(), number()]
            skip_bytes()  # the smallest and the largest key
            skip_bytes()
        else:
            raise ValueError(tag)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of LevelDB's, and where the next one begins; IndexError beyond the end, ValueError for none."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("more than ten bytes")


def _table(folder: Path, number: int, size: int) -> str:
    """Return the name of a table that is there with all its bytes, and whose end is one."""
    names = [f"{number:06}{ending}" for ending in TABLE_ENDINGS]
    name = next((name for name in names if (folder / name).exists()), "")
    if not name:
        raise _Damage(f"{names[0]} is missing")
    with open_file(folder / name) as file:
        found = os.fstat(file.fileno()).st_size
        if found != size:
            raise _Damage(f"{name} has {found} bytes and not {size}")
        if size < FOOTER:
            raise _Damage(f"{name} is too short for a table")
        file.seek(size - FOOTER)
        footer = file.read(FOOTER)
    if not _is_footer(footer, size - FOOTER):
        raise _Damage(f"{name} does not end as a table")
    return name


def _is_footer(footer: bytes, end: int) -> bool:
    """Whether these bytes say where two blocks lie in front of `end`: LevelDB takes memory for what they claim."""
    at = 0
    try:
        for _ in range(2):
            offset, at = _varint(footer, at)
            size, at = _varint(footer, at)
            if offset + size + TRAILER > end:
                return False
    except (IndexError, ValueError):
        return False
    return footer.endswith(MAGIC)


def _logs(folder: Path, live: _Live) -> Iterator[str]:
    """Give the names of the logs whose records are in no table."""
    numbers = {int(match[1]): match[0] for match in map(LOG.fullmatch, os.listdir(folder)) if match}
    if live.log and live.log not in numbers:
        raise _Damage(f"{live.log:06}.log is missing: LevelDB keeps records in such files")
    for number, name in sorted(numbers.items()):
        if number < live.log and number != live.previous_log:
            continue
        try:
            with open_file(folder / name) as file:
                for _ in leveldb_log.pieces(file):
                    pass
        except leveldb_log.LogError as err:
            raise _Damage(f"{name}: {err}; its writer was killed, or is still writing") from None
        yield name
