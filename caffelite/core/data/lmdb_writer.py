"""Writing LMDB databases: complete or not at all. Source: src/caffe/util/db_lmdb.cpp."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb

from caffelite.core.errors import DataError
from caffelite.core.temporaries import new_folder, remove_leftovers

Record = tuple[bytes, bytes]

RECORDS_PER_TRANSACTION = 1000
BYTES_PER_TRANSACTION = 1 << 28  # of records that wait in memory, where a thousand of them would be more
LOCK_BYTES = 1 << 13  # of lock.mdb as LMDB makes it, for 126 readers
LONGEST_KEY = 511  # bytes; LMDB's own limit
PROBES, PROBE_BYTES = 16, 1 << 20
FIRST_MAP_SIZE = 1 << 20  # bytes, as in Caffe, since the file tells it; doubled when it is full


class DatabaseExistsError(DataError):
    """The database that was to be made is there already."""


class LmdbWriter:
    """Records on their way into a database that is being made; `count` are those that are in it or wait."""

    def __init__(self, environment: Any) -> None:
        self.count = 0
        self._environment = environment
        self._waiting: list[Record] = []
        self._bytes = 0

    def put(self, key: bytes, value: bytes) -> None:
        """Add a record; DataError if LMDB cannot have such a key."""
        if not 0 < len(key) <= LONGEST_KEY:
            shown = key.decode(errors="backslashreplace")
            raise DataError(f"the key {shown!r} has {len(key)} bytes; an LMDB database takes 1 to {LONGEST_KEY}")
        self._waiting.append((key, value))
        self._bytes += len(value)
        self.count += 1
        if len(self._waiting) == RECORDS_PER_TRANSACTION or self._bytes >= BYTES_PER_TRANSACTION:
            self.commit()

    def commit(self) -> None:
        """Write the records that wait."""
        if self._waiting:
            self._write()
            self._waiting.clear()
            self._bytes = 0

    def _write(self) -> None:
        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    for key, value in self._waiting:
                        transaction.put(key, value)
                return
            except lmdb.MapFullError:
                self._environment.set_mapsize(self._environment.info()["map_size"] * 2)


@contextmanager
def creating_lmdb(folder: Path) -> Iterator[LmdbWriter]:
    """Make the database `folder` of the records that the block puts; DataError if it cannot be made.

    Written beside it under another name, and renamed when the block ends and all is on disk; if the block raises,
    nothing is left. Folders above it are made. Raises DatabaseExistsError if there is a folder that is not empty, for
    instance since another program has just made it.
    """
    remove_leftovers(folder.parent, lambda name: name == folder.name)
    try:
        with new_folder(folder) as partial:
            try:
                # LMDB maps this file, and where the disk has no room for it touching the map would end the process.
                (partial / "lock.mdb").write_bytes(bytes(LOCK_BYTES))
                with lmdb.open(os.fsencode(partial), map_size=FIRST_MAP_SIZE) as environment:
                    writer = LmdbWriter(environment)
                    yield writer
                    writer.commit()
            except lmdb.Error as err:
                _explain(partial, err)
                raise
            os.rename(partial, folder)
    except (OSError, lmdb.Error) as err:
        if isinstance(err, OSError) and err.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise DatabaseExistsError(f"cannot write the LMDB database {folder}: it is already there") from None
        full = "the disk is full: " if os.strerror(errno.ENOSPC) in str(err) else ""
        raise DataError(f"cannot write the LMDB database {folder}: {full}{err}") from err


def write_lmdb(folder: Path, records: Iterable[Record]) -> int:
    """Make the database `folder` of (key, value) records and return their number; see creating_lmdb."""
    with creating_lmdb(folder) as writer:
        for key, value in records:
            writer.put(key, value)
    return writer.count


def _explain(folder: Path, err: lmdb.Error) -> None:
    """Raise OSError with the system's reason if there is no room; LMDB may only say EIO, for a write that was cut off.

    The file, which is given up anyway, is written on until the system says why it cannot be.
    """
    if os.strerror(errno.EIO) in str(err):
        file = os.open(folder / "data.mdb", os.O_WRONLY | os.O_APPEND)
        try:
            for _ in range(PROBES):
                os.write(file, bytes(PROBE_BYTES))
            os.fsync(file)
        finally:
            os.close(file)
