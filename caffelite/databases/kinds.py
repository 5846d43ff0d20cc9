"""Which kind of database a path is, by what lies there, and the reader of its records."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

from caffelite.core.data.backends import READERS, RecordReader, backend_of
from caffelite.core.data.hdf5_list import find_hdf5_file, read_hdf5_list
from caffelite.core.errors import DataError, printable
from caffelite.core.files import Kind, UnreachableError, kind_of
from caffelite.core.weights.hdf5 import is_hdf5

LMDB_FILE = "data.mdb"
MOST_LIST_BYTES = 64 << 20  # of a list of HDF5 files
FIRST_NAMES = 100  # of which one is there if a text is such a list
HDF5_ENDINGS = (".h5", ".hdf5", ".hdf")


class DatabaseKind(Enum):
    """Kinds of databases, by their names."""

    LMDB = "LMDB"
    LEVELDB = "LevelDB"
    HDF5 = "HDF5"


KINDS = {"lmdb": DatabaseKind.LMDB, "leveldb": DatabaseKind.LEVELDB}  # by the names of backends


def kind_of_database(path: Path) -> DatabaseKind:
    """Return the kind; DataError, which says what was expected, for a path that is no database."""
    try:
        kind = kind_of(path)
        if kind is Kind.NOTHING:
            raise DataError(f"there is no database {path} (looked in {Path.cwd()})")
        if kind is Kind.FOLDER:
            if backend := backend_of(path):
                return KINDS[backend]
            raise DataError(
                f"{path} is a folder without a database: LMDB has a file {LMDB_FILE} in it, LevelDB a file CURRENT"
            )
    except UnreachableError as err:
        raise DataError(f"{path}: {err}") from None
    if is_hdf5(path):
        return DatabaseKind.HDF5
    if path.name == LMDB_FILE:
        raise DataError(f"{path} is a file inside a database; give the folder, {path.parent}")
    size = os.path.getsize(path)
    if not size:
        raise DataError(f"{path} is empty: it has 0 bytes; an HDF5 file or a list of such files was expected")
    names = _first_names(path) if size <= MOST_LIST_BYTES else []
    if any(_is_listed_hdf5(name, path) for name in names):
        return DatabaseKind.HDF5
    if names and Path(names[0]).suffix.lower() in HDF5_ENDINGS:
        raise DataError(
            f"{path} looks like a list of HDF5 files, but names none that is there and is one: "
            f'"{printable(names[0])}" is looked for from {Path.cwd()} and beside the list'
        )
    raise DataError(
        f"{path} is no HDF5 file and no list of such files, or cannot be read; LMDB and LevelDB databases are folders"
    )


def _first_names(path: Path) -> list[str]:
    """Return the first names in a text, read as HDF5Data reads lists; none for what is no text."""
    try:
        return read_hdf5_list(path)[:FIRST_NAMES]
    except DataError:
        return []


def _is_listed_hdf5(name: str, list_path: Path) -> bool:
    """Whether a name in a list is that of an HDF5 file."""
    try:
        return is_hdf5(find_hdf5_file(name, list_path, None))
    except OSError:
        return False


def record_reader(path: Path, kind: DatabaseKind) -> tuple[RecordReader, int]:
    """Return a reader of an LMDB or LevelDB database and the number of records; DataError if it cannot be read."""
    reader = READERS[kind.value.lower()](path, False)
    return reader, reader.count()
