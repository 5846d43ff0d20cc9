"""The databases that the tools read and write."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from caffelite.core.data.leveldb_writer import creating_leveldb
from caffelite.core.data.lmdb_writer import DatabaseExistsError, creating_lmdb
from caffelite.core.data.plyvel import plyvel
from caffelite.core.errors import UsageError
from caffelite.core.files import Kind, UnreachableError, kind_of
from caffelite.core.prototxt.suggest import any_of

Progress = Callable[[int, int], None]  # is told how many records are done, and how many there are


class RecordWriter(Protocol):
    """Records on their way into a database that is being made; `count` are those that it was given."""

    count: int

    def put(self, key: bytes, value: bytes) -> None:
        """Add a record."""


CREATORS: dict[str, Callable[[Path], AbstractContextManager[RecordWriter]]] = {
    "lmdb": creating_lmdb,
    "leveldb": creating_leveldb,
}


def require_backend(backend: str, *others: str) -> None:
    """Raise UsageError for a kind of database that is neither in CREATORS nor in `others`; DataError without plyvel."""
    if backend == "leveldb":
        plyvel()
    if backend not in (*CREATORS, *others):
        raise UsageError(f'Unknown database backend "{backend}"; use {any_of((*CREATORS, *others))}')


def creating_database(database: Path, backend: str) -> AbstractContextManager[RecordWriter]:
    """Make a database of the records that the block puts, complete or not at all; see creating_lmdb."""
    return CREATORS[backend](database)


def require_new(database: Path) -> None:
    """Raise DatabaseExistsError if something is at this path: Caffe, too, never adds to a database."""
    try:
        kind = kind_of(database)
    except UnreachableError as err:
        raise UsageError(f"{database}: {err}") from None
    if kind is not Kind.NOTHING:
        raise DatabaseExistsError(f"mkdir {database} failed: it is already there; delete it or give another name")
