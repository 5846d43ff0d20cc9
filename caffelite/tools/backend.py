"""The databases that the tools read and write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from caffelite.core.data.lmdb_writer import DatabaseExistsError
from caffelite.core.errors import UsageError
from caffelite.core.files import Kind, UnreachableError, kind_of

Progress = Callable[[int, int], None]  # is told how many records are done, and how many there are


def require_lmdb(backend: str) -> None:
    """Raise UsageError for any other database."""
    if backend == "leveldb":
        raise UsageError("the backend leveldb is not here yet; use lmdb")
    if backend != "lmdb":
        raise UsageError(f'Unknown database backend "{backend}"; use lmdb')


def require_new(database: Path) -> None:
    """Raise DatabaseExistsError if something is at this path: Caffe, too, never adds to a database."""
    try:
        kind = kind_of(database)
    except UnreachableError as err:
        raise UsageError(f"{database}: {err}") from None
    if kind is not Kind.NOTHING:
        raise DatabaseExistsError(f"mkdir {database} failed: it is already there; delete it or give another name")
