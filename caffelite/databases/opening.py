"""Opening a database of any kind by looking at its folder or file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffelite.databases.datums import Datums
from caffelite.databases.kinds import DatabaseKind, kind_of_database
from caffelite.databases.record import Contents
from caffelite.databases.rows import Rows


@contextmanager
def opened(path: Path) -> Iterator[Contents]:
    """Give the contents of an LMDB or LevelDB database, an HDF5 file or a list of such files.

    Raises DataError for a path that is none of these, or that cannot be read.
    """
    kind = kind_of_database(path)
    contents: Contents = Rows(path) if kind is DatabaseKind.HDF5 else Datums(path, kind)
    try:
        yield contents
    finally:
        contents.close()
