"""LevelDB databases, read without changing them. Source: src/caffe/util/db_leveldb.cpp."""

from __future__ import annotations

import logging
import os
import weakref
from multiprocessing import util
from pathlib import Path
from typing import Any

from caffelite.core.data.leveldb_copy import OpenCopy
from caffelite.core.data.lmdb_records import Record, Rows
from caffelite.core.data.plyvel import plyvel
from caffelite.core.errors import DataError

log = logging.getLogger("caffelite")

MANY = 10_000  # records, which may take a while to pass over


class LevelDbReader:
    """The records of a LevelDB database in the order of their keys, again and again; see LmdbReader.

    Reads what was there when it was opened. One thread at a time may use a reader; readers of one database may be as
    many as one likes, in any number of processes. A forked process opens the database again.

    Raises DataError for a database that is missing, empty, damaged, or none. LevelDB finds damaged records by their
    checksums when they are read.
    """

    def __init__(self, folder: Path, log_restart: bool = False) -> None:
        self._folder = folder
        self._log_restart = log_restart
        self._error = plyvel().Error
        self._count: int | None = None
        self._passed = 0  # records of this round before the one that comes next
        self._open()

    def _open(self) -> None:
        self._copy = OpenCopy(self._folder)
        weakref.finalize(self, self._copy.close)  # when nobody reads any more, or the program ends
        self._iterator: Any = self._copy.iterator
        self._to_first()
        if not self._iterator.valid():
            raise DataError(f"the LevelDB database {self._folder} holds no records")

    @property
    def entries(self) -> int | None:
        """Records of the database: None until all were passed, for LevelDB keeps no count."""
        return self._count

    def count(self) -> int:
        """Return the number of records; they are all read through if it is not known yet."""
        self._own()
        if self._count is None:
            before = self._passed
            with self._copy.lock:
                self._skip(None)
            self.seek(before)
        assert self._count is not None
        return self._count

    def seek(self, record: int) -> None:
        """Let `read` go on with this record, counted from 0 in the order of keys; beyond the last it wraps.

        LevelDB finds records by their keys alone: those before this one are read through.
        """
        self._own()
        with self._copy.lock:
            if self._count is not None:
                record %= self._count
            if record < self._passed:
                self._to_first()
            if record - self._passed >= MANY:
                log.info("%s: going to record %d; LevelDB has to read those before it", self._folder, record)
            if not self._skip(record - self._passed):
                self.seek(record)  # the end came first: now the number of records is known

    def read(self, count: int) -> list[Record]:
        """Return key and value of the next `count` records; after the last comes the first."""
        self._own()
        records: list[Record] = []
        with self._copy.lock:
            iterator = self._iterator
            try:
                while True:
                    while len(records) < count and iterator.valid():
                        records.append(iterator.item())
                        iterator.next()
                        self._passed += 1
                    if len(records) == count:
                        return records
                    self._end()
                    if self._log_restart:
                        log.info("Restarting data prefetching from start.")
                        self._log_restart = False  # once: a small database restarts several times a second
                    self._to_first()
            except self._error as err:
                raise self._copy.error(err) from None

    def read_rows(self, count: int) -> list[Rows]:
        """Return the same in one Rows."""
        records = self.read(count)
        return [Rows([key for key, _ in records], [value for _, value in records])]

    def _own(self) -> None:
        """In a forked process, open the database again: its own copy of LevelDB has lost its threads."""
        if self._copy.process != os.getpid():
            passed = self._passed
            self._open()
            # A process of multiprocessing's ends without what Python does at its end.
            util.Finalize(self, self._copy.close, exitpriority=0)
            self._skip(passed)

    def _to_first(self) -> None:
        try:
            self._iterator.seek_to_first()
        except self._error as err:
            raise self._copy.error(err) from None
        self._passed = 0

    def _skip(self, records: int | None) -> bool:
        """Pass over so many records, None for all; False, with the number of records known, if the end comes before."""
        iterator = self._iterator
        try:
            while records is None or records > 0:
                if not iterator.valid():
                    self._end()
                    return False
                iterator.next()
                self._passed += 1
                if records is not None:
                    records -= 1
        except self._error as err:
            raise self._copy.error(err) from None
        return True

    def _end(self) -> None:
        self._count = self._passed
