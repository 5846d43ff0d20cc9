"""LMDB databases, read safely. Source: src/caffe/util/db_lmdb.cpp."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import lmdb

from caffelite.core.data.lmdb_file import Meta, PageFile
from caffelite.core.data.lmdb_pages import Tree
from caffelite.core.data.lmdb_records import Block, Record, Rows, merged
from caffelite.core.errors import DataError

log = logging.getLogger("caffelite")

T = TypeVar("T")
Part = Callable[[Block, int, int], list[T]]  # of a block's records from one place up to, and without, another

MAX_READERS = 1024  # of one database in all processes, if the first to open it is one of ours; LMDB says 126
LOCK_BYTES = 1 << 20  # free on the disk, so that lock.mdb can surely be written
BEGINS = 10  # tries to begin reading between two commits

# LMDB must not open one file twice in one process: closing either would release the locks of both. The key is what
# makes a file the same file.
_environments: WeakValueDictionary[tuple[int, int], Any] = WeakValueDictionary()
_opening = threading.Lock()


class Snapshot:
    """A database as its last commit left it, and the promise of writers not to use its pages again, if it can be had.

    The promise is a place in lock.mdb that liblmdb takes and holds; nothing is read through liblmdb, which would trust
    the file. Without it, as on read-only media, a second commit after that of the snapshot may write over its pages.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "data.mdb"
        if folder.exists() and not path.exists():
            raise DataError(f"{folder} is not an LMDB database: that is a folder with a file data.mdb in it")
        try:
            self.file = PageFile(path)
        except OSError as err:
            raise DataError(f"cannot open the LMDB database {folder}: {err}") from None
        self.file.check(self.file.metas()[-1])
        self._promise: Any = None
        self.meta = self._begin(folder)

    def _begin(self, folder: Path) -> Meta:
        """Hold what the last commit left if that can be, and return its meta page."""
        try:
            environment = self._environment(folder)
            for _ in range(BEGINS):
                transaction = environment.begin()
                for meta in self.file.metas():
                    if meta.transaction == transaction.id():
                        self._promise = environment, transaction
                        return meta
                transaction.abort()  # two commits came between, or another file
        except lmdb.ReadersFullError:
            log.warning(
                "%s is read by more processes and layers than its lock.mdb has places for: it must not be written to "
                "while they read. A lock.mdb that is made anew has %d: delete it when nobody uses the database",
                folder,
                MAX_READERS,
            )
        except lmdb.Error as err:
            # Read-only media, or nobody may write lock.mdb: nobody is writing the database either.
            log.debug("%s is read without its lock file (%s)", folder, err)
        return self.file.metas()[-1]

    def _environment(self, folder: Path) -> Any:
        """Return the process's one read-only environment of the file; it is closed when its last reader is gone."""
        with _opening:
            environment = _environments.get(self.file.identity)
            if environment is None:
                disk = os.statvfs(folder)
                if (
                    disk.f_bavail * disk.f_frsize < LOCK_BYTES
                ):  # LMDB maps lock.mdb: writing to it would end the process
                    raise lmdb.Error("the disk is full")
                environment = lmdb.open(os.fsencode(folder), readonly=True, create=False, max_readers=MAX_READERS)
                environment.reader_check()  # gives back the places of processes that were killed
                _environments[self.file.identity] = environment
        return environment

    def check_kept(self) -> None:
        """Raise DataError if what was read before this call may have been written over."""
        if self._promise is None and self.file.metas()[-1].transaction > self.meta.transaction + 1:
            raise DataError(f"{self.file.path} was written to while it was read; begin again when it is complete")


class LmdbReader:
    """The records of an LMDB database in the order of their keys, again and again.

    Reads what was there when it was opened, whatever is written meanwhile, and the file that was there, if another one
    takes its place. One thread at a time may use a reader; readers of one database may be as many as there are threads.
    Raises DataError for a database that is missing, empty, cut short, damaged, or none.
    """

    def __init__(self, folder: Path, log_restart: bool = False) -> None:
        self._folder = folder
        self._log_restart = log_restart
        self._snapshot = Snapshot(folder)
        self.entries = self._snapshot.meta.entries
        if not self.entries:
            raise DataError(f"the LMDB database {folder} holds no records")
        self._tree = Tree(self._snapshot.file, self._snapshot.meta)
        self.seek(0)

    def count(self) -> int:
        """Return the number of records."""
        return self.entries

    def seek(self, record: int) -> None:
        """Let `read` go on with this record, counted from 0 in the order of keys; beyond the last it wraps."""
        self._block: Block | None = None
        self._passed = record % self.entries
        self._leaf, self._at = self._checked(self._tree.find, self._passed) if self._passed else (0, 0)

    def read(self, count: int) -> list[Record]:
        """Return key and value of the next `count` records; after the last comes the first."""
        return self._read(count, Block.records)

    def read_rows(self, count: int) -> list[Rows]:
        """Return the same in one or more Rows, which take less time where values are of one size."""
        return merged(self._read(count, Block.rows))

    def _read(self, count: int, part: Part[T]) -> list[T]:
        parts: list[T] = []
        done = 0
        while done < count:
            done += self._checked(lambda rest: self._read_up_to(rest, part, parts), count - done)
            if done < count:
                if self._log_restart:
                    log.info("Restarting data prefetching from start.")
                    self._log_restart = False  # once: a small database restarts several times a second
                self.seek(0)
        return parts

    def _checked(self, act: Callable[[int], T], number: int) -> T:
        """Return act(number), of pages of the snapshot; DataError if they may have been written over."""
        try:
            result = act(number)
        except DataError:
            self._snapshot.check_kept()
            raise
        self._snapshot.check_kept()
        return result

    def _read_up_to(self, count: int, part: Part[T], parts: list[T]) -> int:
        """Add the next `count` records to `parts`, or those before the end of the database, and return their number.

        The end has to come after the last record.
        """
        done = 0
        while done < count:
            if self._block is None:
                if self._leaf == len(self._tree.leaves()):
                    break
                self._block = Block(self._tree, self._leaf)
                self._leaf += self._block.pages
            last = min(self._at + count - done, self._block.count)
            parts += part(self._block, self._at, last)
            done += last - self._at
            self._at = last
            if last == self._block.count:
                self._block, self._at = None, 0
        self._passed += done
        # A damaged page can hide records or show some that are none.
        if self._passed > self.entries or (done < count and self._passed < self.entries):
            raise self._tree.miscounted(self._passed)
        return done
