"""Writing LMDB databases: complete or not at all. Source: src/caffe/util/db_lmdb.cpp."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb

from caffelite.core.errors import DataError
from caffelite.core.temporaries import new_folder, remove_leftovers

Record = tuple[bytes, bytes]

RECORDS_PER_TRANSACTION = 1000
LOCK_BYTES = 1 << 13  # of lock.mdb as LMDB makes it, for 126 readers
PROBES, PROBE_BYTES = 16, 1 << 20
FIRST_MAP_SIZE = 1 << 24  # bytes; doubled when it is full


class DatabaseExistsError(DataError):
    """The database that was to be made is there already."""


def write_lmdb(folder: Path, records: Iterable[Record]) -> int:
    """Make the database `folder` of (key, value) records and return their number; DataError if it cannot be made.

    Written beside it under another name, and renamed when all is on disk; folders above it are made. Raises
    DatabaseExistsError if there is a folder that is not empty, for instance since another program has just made it.
    """
    remove_leftovers(folder.parent, lambda name: name == folder.name)
    try:
        with new_folder(folder) as partial:
            try:
                count = _fill(partial, records)
            except lmdb.Error as err:
                _explain(partial, err)
                raise
            os.rename(partial, folder)
    except (OSError, lmdb.Error) as err:
        if isinstance(err, OSError) and err.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise DatabaseExistsError(f"cannot write the LMDB database {folder}: it is already there") from None
        full = "the disk is full: " if os.strerror(errno.ENOSPC) in str(err) else ""
        raise DataError(f"cannot write the LMDB database {folder}: {full}{err}") from err
    return count


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


def _fill(folder: Path, records: Iterable[Record]) -> int:
    waiting = iter(records)
    count = 0
    # LMDB maps this file, and where the disk has no room for it touching the map would end the process.
    (folder / "lock.mdb").write_bytes(bytes(LOCK_BYTES))
    with lmdb.open(os.fsencode(folder), map_size=FIRST_MAP_SIZE) as environment:
        while some := list(islice(waiting, RECORDS_PER_TRANSACTION)):
            _commit(environment, some)
            count += len(some)
    return count


def _commit(environment: Any, records: list[Record]) -> None:
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for key, value in records:
                    transaction.put(key, value)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(environment.info()["map_size"] * 2)
