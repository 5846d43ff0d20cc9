"""LMDB databases, read safely. Source: src/caffe/util/db_lmdb.cpp."""

from __future__ import annotations

import logging
import struct
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import lmdb

from caffelite.core.errors import DataError

log = logging.getLogger("caffelite")

MAGIC = 0xBEEFC0DE
VERSION = 1
PAGE_HEADER = 16  # bytes before the meta data of a page
PAGE_SIZES = {1 << bits for bits in range(8, 17)}
# magic, version, address, map size; two trees of (pad, flags, depth, pages of 3 kinds, entries, root); last page, txn.
# The pad of the first tree is the page size.
META = struct.Struct("=IIQQ" + "IHHQQQQQ" * 2 + "QQ")
PAGE_SIZE_FIELD, LAST_PAGE_FIELD, TRANSACTION_FIELD = 4, 20, 21


class _Meta(NamedTuple):
    page_size: int
    last_page: int
    transaction: int


def check_data_file(path: Path) -> None:
    """Raise DataError unless `path` (data.mdb) is an LMDB file that has all the pages it speaks of.

    LMDB maps the file into memory and believes it: reading a file that was cut short ends the process by SIGBUS.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        first = _read_meta(file.read(PAGE_HEADER + META.size), path)
        file.seek(first.page_size)
        second = _read_meta(file.read(PAGE_HEADER + META.size), path)
    newer = max(first, second, key=lambda meta: meta.transaction)
    needed = (newer.last_page + 1) * first.page_size
    if size < needed:
        raise DataError(
            f"{path} is cut short: it has {size} bytes, but its records take {needed}; copy or make it again"
        )


def _read_meta(page: bytes, path: Path) -> _Meta:
    if len(page) < PAGE_HEADER + META.size:
        raise DataError(f"{path} is cut short: it does not even hold the two first pages; copy or make it again")
    fields = META.unpack_from(page, PAGE_HEADER)
    if fields[:2] != (MAGIC, VERSION) or fields[PAGE_SIZE_FIELD] not in PAGE_SIZES:
        raise DataError(f"{path} is not an LMDB database of this kind of machine; make it again")
    return _Meta(fields[PAGE_SIZE_FIELD], fields[LAST_PAGE_FIELD], fields[TRANSACTION_FIELD])


# LMDB must not open one file twice in one process: closing either would release the locks of both. The key is what
# makes a file the same file.
_environments: WeakValueDictionary[tuple[int, int], Any] = WeakValueDictionary()
_opening = threading.Lock()


def _environment(folder: Path) -> Any:
    """Return the process's one read-only environment for `folder`; it is closed when its last reader is gone."""
    data_file = folder / "data.mdb"
    if folder.exists() and not data_file.exists():
        raise DataError(f"{folder} is not an LMDB database: that is a folder with a file data.mdb in it")
    with _opening:
        try:
            status = data_file.stat()
            check_data_file(data_file)
            key = (status.st_dev, status.st_ino)
            environment = _environments.get(key)
            if environment is None:
                environment = _environments[key] = _open(folder)
        except (OSError, lmdb.Error) as err:
            raise DataError(f"cannot open the LMDB database {folder}: {err}") from None
    return environment


def _open(folder: Path) -> Any:
    try:
        return lmdb.open(str(folder), readonly=True, create=False)
    except lmdb.Error as err:
        # Read-only media, or nobody may write lock.mdb: nobody is writing the database either.
        log.debug("%s is read without its lock file (%s)", folder, err)
        return lmdb.open(str(folder), readonly=True, create=False, lock=False)


class LmdbReader:
    """The records of an LMDB database in the order of their keys, again and again.

    Reads what was there when it was opened. One thread at a time may use a reader; readers of one database may be as
    many as there are threads. Raises DataError for a database that is missing, empty, cut short, damaged, or none.
    """

    def __init__(self, folder: Path, log_restart: bool = False) -> None:
        self._folder = folder
        self._log_restart = log_restart
        self._environment = _environment(folder)
        try:
            self._transaction = self._environment.begin()
            self._cursor = self._transaction.cursor()
            self.entries: int = self._transaction.stat(self._environment.open_db(txn=self._transaction))["entries"]
        except lmdb.Error as err:
            raise self._error(err) from None
        if not self.entries:
            raise DataError(f"the LMDB database {folder} holds no records")
        self.seek(0)

    def seek(self, record: int) -> None:
        """Let `read` go on with this record, counted from 0 in the order of keys; beyond the last it wraps."""
        record %= self.entries
        try:
            self._cursor.first()
            if record:
                # The keys alone: pages that only hold values stay unread.
                for _ in islice(self._cursor.iternext(values=False), record):
                    pass
                self._cursor.next()
        except lmdb.Error as err:
            raise self._error(err) from None
        self._records: Iterator[tuple[bytes, bytes]] = self._cursor.iternext()
        self._passed = record

    def read(self, count: int) -> list[tuple[bytes, bytes]]:
        """Return key and value of the next `count` records; after the last comes the first."""
        records = self._read_up_to(count)
        while len(records) < count:
            if self._log_restart:
                log.info("Restarting data prefetching from start.")
                self._log_restart = False  # once: a small database restarts several times a second
            self.seek(0)
            records += self._read_up_to(count - len(records))
        return records

    def _read_up_to(self, count: int) -> list[tuple[bytes, bytes]]:
        """Return the next `count` records, or those up to the end of the database, which has to come after the last."""
        try:
            records = list(islice(self._records, count))
        except lmdb.Error as err:
            raise self._error(err) from None
        self._passed += len(records)
        # A damaged page can hide records or show some that are none; LMDB would end the round there and say nothing.
        if self._passed > self.entries or (len(records) < count and self._passed < self.entries):
            raise DataError(
                f"the LMDB database {self._folder} is damaged: {self.entries} records are counted in it, but "
                f"{self._passed} were found; copy or make it again"
            )
        return records

    def _error(self, err: lmdb.Error) -> DataError:
        return DataError(f"cannot read the LMDB database {self._folder}: {err}; copy or make it again")
