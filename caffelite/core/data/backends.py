"""The kinds of databases: which one a folder holds, and opening it by its kind. Source: src/caffe/util/db.cpp."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from caffelite.core.data.leveldb_files import looks_like_leveldb
from caffelite.core.data.leveldb_reader import LevelDbReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_records import Record, Rows
from caffelite.core.errors import DataError

NAMES = {"lmdb": "an LMDB", "leveldb": "a LevelDB"}  # with their articles, as in "an LMDB folder"


class RecordReader(Protocol):
    """The records of a database in the order of their keys, again and again. One thread at a time."""

    @property
    def entries(self) -> int | None:
        """Records of the database; None as long as that is not known."""

    def count(self) -> int:
        """Return the number of records, if need be by reading all."""

    def seek(self, record: int) -> None:
        """Let `read` go on with this record, counted from 0; beyond the last it wraps."""

    def read(self, count: int) -> list[Record]:
        """Return key and value of the next `count` records."""

    def read_rows(self, count: int) -> list[Rows]:
        """Return the same in one or more Rows."""


READERS: dict[str, Callable[[Path, bool], RecordReader]] = {"lmdb": LmdbReader, "leveldb": LevelDbReader}


def backend_of(folder: Path) -> str:
    """Return of which kind the database `folder` looks, "lmdb" or "leveldb"; "" for neither."""
    if os.path.exists(folder / "data.mdb"):
        return "lmdb"
    return "leveldb" if looks_like_leveldb(folder) else ""


def open_records(folder: Path, backend: str, log_restart: bool = False) -> RecordReader:
    """Open a database of the kind `backend`, "lmdb" or "leveldb"; DataError also if it is of the other one."""
    found = backend_of(folder)
    if found and found != backend:
        raise DataError(wrong_backend(folder, backend, found))
    return READERS[backend](folder, log_restart)


def wrong_backend(folder: Path, backend: str, found: str) -> str:
    """Return what is wrong with a folder that is of the kind `found` and not `backend`."""
    return f"{folder} is not {NAMES[backend]} but {NAMES[found]} folder"
