"""Writing LevelDB databases: complete or not at all. Source: src/caffe/util/db_leveldb.cpp."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from caffelite.core.data.leveldb_copy import FULL, MAX_OPEN_FILES, text_of
from caffelite.core.data.leveldb_files import files_of
from caffelite.core.data.lmdb_records import Record
from caffelite.core.data.lmdb_writer import BYTES_PER_TRANSACTION, RECORDS_PER_TRANSACTION, DatabaseExistsError
from caffelite.core.data.plyvel import plyvel
from caffelite.core.errors import DataError
from caffelite.core.files import reason_of
from caffelite.core.temporaries import new_folder, remove_leftovers

# Caffe's
BLOCK_SIZE, WRITE_BUFFER_SIZE = 1 << 16, 1 << 28


class LevelDbWriter:
    """Records on their way into a database that is being made; `count` are those that are in it or wait."""

    def __init__(self, database: Any) -> None:
        self.count = 0
        self._database = database
        self._batch = database.write_batch()
        self._waiting = self._bytes = 0

    def put(self, key: bytes, value: bytes) -> None:
        """Add a record."""
        self._batch.put(key, value)
        self.count += 1
        self._waiting += 1
        self._bytes += len(value)
        if self._waiting == RECORDS_PER_TRANSACTION or self._bytes >= BYTES_PER_TRANSACTION:
            self.commit()

    def commit(self) -> None:
        """Write the records that wait."""
        if self._waiting:
            self._batch.write()
            self._batch = self._database.write_batch()
            self._waiting = self._bytes = 0


@contextlib.contextmanager
def creating_leveldb(folder: Path) -> Iterator[LevelDbWriter]:
    """Make the database `folder` of the records that the block puts; DataError if it cannot be made.

    Written beside it under another name, and renamed when the block ends and all is on disk; if the block raises,
    nothing is left. Folders above it are made. Raises DatabaseExistsError if there is a folder that is not empty, for
    instance since another program has just made it.
    """
    module = plyvel()
    remove_leftovers(folder.parent, lambda name: name == folder.name)
    try:
        with new_folder(folder) as partial:
            with contextlib.closing(_opened(module, partial)) as database:
                writer = LevelDbWriter(database)
                yield writer
                writer.commit()
            # The last records are in a log, of which everyone who opens the database would make a table.
            _opened(module, partial).close()
            files_of(partial)  # what fails while it is closed, LevelDB does not tell
            for file in partial.iterdir():
                _flush(file)
            os.rename(partial, folder)
    except module.Error as err:
        text = text_of(err).replace(str(partial), str(folder))
        full = "the disk is full: " if FULL in text else ""
        raise DataError(f"cannot write the LevelDB database {folder}: {full}{text}") from err
    except OSError as err:
        if err.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise DatabaseExistsError(f"cannot write the LevelDB database {folder}: it is already there") from None
        full = "the disk is full: " if err.errno == errno.ENOSPC else ""
        raise DataError(f"cannot write the LevelDB database {folder}: {full}{reason_of(err)}") from err


def write_leveldb(folder: Path, records: Iterable[Record]) -> int:
    """Make the database `folder` of (key, value) records and return their number; see creating_leveldb."""
    with creating_leveldb(folder) as writer:
        for key, value in records:
            writer.put(key, value)
    return writer.count


def _opened(module: Any, folder: Path) -> Any:
    return module.DB(
        os.fsencode(folder),
        create_if_missing=True,
        paranoid_checks=True,
        block_size=BLOCK_SIZE,
        write_buffer_size=WRITE_BUFFER_SIZE,
        max_open_files=MAX_OPEN_FILES,
    )


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
