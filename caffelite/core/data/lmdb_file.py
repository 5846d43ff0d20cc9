"""The file of an LMDB database: its first two pages, and reading with pread. Source: mdb.c of LMDB 0.9.

liblmdb maps the file and believes whatever stands in it, so that damage, or another program that cuts the file, ends
the process. Here nothing is used before it has been checked, and damage of any kind ends in a DataError.
"""

from __future__ import annotations

import os
import stat
import struct
import weakref
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from caffelite.core.blob import Array
from caffelite.core.errors import DataError
from caffelite.core.kernels.pages import (
    ANOTHER_KIND,
    BRANCH,
    DONE,
    LEAF,
    OVERFLOW,
    PAGE_HEADER,
    PARTS,
    REACHES_OUT,
    Memory,
    read_nodes,
    read_values,
)

MAGIC = 0xBEEFC0DE
VERSION = 1
PAGE_SIZES = {1 << bits for bits in range(8, 16)}  # offsets in a page have 16 bits
# magic, version, address, map size; two trees of (pad, flags, depth, pages of 3 kinds, entries, root); last page,
# transaction. The first tree is that of the free pages, its pad the page size; the second has the records.
META = struct.Struct("<IIQQ" + "IHHQQQQQ" * 2 + "QQ")
META_32_BITS = 12  # bytes before the meta data of a page that a 32-bit machine wrote
PAGE_SIZE_FIELD, FLAGS_FIELD, DEPTH_FIELD, ENTRIES_FIELD, ROOT_FIELD, LAST_FIELD, TRANSACTION_FIELD = (
    4, 13, 14, 18, 19, 20, 21
)  # fmt: skip
NO_PAGE = 2**64 - 1
MAX_DEPTH = 32
DUPSORT = 0x04  # flag of a tree: keys with several values
KIND_NAMES = {BRANCH: "branch", LEAF: "leaf", OVERFLOW: "overflow"}


class Meta(NamedTuple):
    """What one of the first two pages says of the file as a commit has left it."""

    page_size: int
    last_page: int
    transaction: int
    flags: int
    depth: int
    entries: int
    root: int


class PageFile:
    """An open data.mdb. It stays the same file if another one takes its name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # not to wait for a pipe's other end
        weakref.finalize(self, os.close, self._file).atexit = False  # threads may still read then
        status = os.fstat(self._file)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path} is not an LMDB database: that is a file, not a folder, pipe or device")
        self.identity = (status.st_dev, status.st_ino)

    def size(self) -> int:
        """Bytes that the file has now."""
        return os.fstat(self._file).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset` on; DataError if the file ends before, or cannot be read."""
        try:
            data = os.pread(self._file, size, offset)
            while len(data) < size:  # the system reads 2 GiB at most
                data += self._some(os.pread(self._file, size - len(data), offset + len(data)), offset + len(data))
        except OSError as err:
            raise self._unreadable(err) from None
        return data

    def read_nodes(self, numbers: Array, page_size: int, kind: int, memory: Memory) -> tuple[int, int]:
        """Fill the memory as the kernel of this name does; return how many pages and nodes. DataError as for read."""
        while True:
            done, found, state = read_nodes(self._file, numbers, page_size, kind, memory)
            if state == DONE:
                return done, found
            number = int(numbers[done])
            if state == ANOTHER_KIND:
                raise self.not_of_kind(number, kind)
            if state == REACHES_OUT:
                raise self.damaged(f"page {number} has entries that reach out of it")
            self._look_for_unreadable(numbers[done : done + len(memory.counts)].tolist(), repeat(1), page_size)

    def read_values(self, wanted: Array, page_size: int, scratch: tuple[Array, Array], values: Array) -> None:
        """Fill `values` as the kernel of this name does. DataError as for read, and for pages of another kind."""
        while True:
            done, state = read_values(self._file, wanted, page_size, *scratch, values)
            if state == DONE:
                return
            if state == ANOTHER_KIND:
                raise self.not_of_kind(int(wanted[0, done]), OVERFLOW)
            numbers, pages, _ = wanted[:, done : done + PARTS].tolist()
            self._look_for_unreadable(numbers, pages, page_size)

    def _look_for_unreadable(self, numbers: list[int], pages: Iterable[int], page_size: int) -> None:
        """Raise DataError for the first of these pages that cannot be read; if all can be, a signal came between.

        A kernel reads many together, and cannot tell which failed, and why.
        """
        for number, count in zip(numbers, pages, strict=False):
            self.read(number * page_size, count * page_size)

    def not_of_kind(self, number: int, kind: int) -> DataError:
        """Return the error for a page that is of another kind than what leads to it says."""
        return self.damaged(f"page {number} is not the {KIND_NAMES[kind]} page that it should be")

    def _some(self, found: bytes, offset: int) -> bytes:
        if not found:
            raise self.error(f"is cut short: it ends at byte {self.size()}")
        return found

    def _unreadable(self, err: OSError) -> DataError:
        return self.error(f"cannot be read ({err.strerror})")

    def metas(self) -> list[Meta]:
        """Return what both meta pages say, the newer last. Raises DataError if this is no whole LMDB file.

        Another process may be writing one of them; they are read until nothing changes.
        """
        found = self._metas()
        while (again := self._metas()) != found:
            found = again
        return sorted(found, key=lambda meta: meta.transaction)

    def _metas(self) -> list[Meta]:
        first = self._meta(0)
        return [first, self._meta(first.page_size)]

    def _meta(self, page: int) -> Meta:
        if self.size() < page + PAGE_HEADER + META.size:
            raise self.error("is cut short: it does not even hold the two first pages")
        content = self.read(page, PAGE_HEADER + META.size)
        fields = META.unpack_from(content, PAGE_HEADER)
        if fields[:2] != (MAGIC, VERSION) or fields[PAGE_SIZE_FIELD] not in PAGE_SIZES:
            raise self._another_kind(content)
        meta = Meta(*(fields[i] for i in (PAGE_SIZE_FIELD, LAST_FIELD, TRANSACTION_FIELD)),
                    *(fields[i] for i in (FLAGS_FIELD, DEPTH_FIELD, ENTRIES_FIELD, ROOT_FIELD)))  # fmt: skip
        return meta

    def _another_kind(self, content: bytes) -> DataError:
        if content.startswith(struct.pack("<I", MAGIC), META_32_BITS):
            return DataError(f"{self.path} is an LMDB database of a 32-bit machine; make it again on a 64-bit one")
        if content.startswith(struct.pack(">I", MAGIC), PAGE_HEADER):
            return DataError(f"{self.path} is an LMDB database of a big-endian machine; make it again on this one")
        return DataError(f"{self.path} is not an LMDB database of this kind of machine; make it again")

    def check(self, meta: Meta) -> None:
        """Raise DataError unless the file holds all pages that `meta` speaks of, and one value for each key."""
        needed = (meta.last_page + 1) * meta.page_size
        if (size := self.size()) < needed:
            raise self.error(f"is cut short: it has {size} bytes, but its records take {needed}")
        if meta.root != NO_PAGE and not (1 < meta.root <= meta.last_page and 1 <= meta.depth <= MAX_DEPTH):
            raise self.damaged(f"its tree begins at page {meta.root} of {meta.last_page} and has {meta.depth} levels")
        if (meta.root == NO_PAGE) != (meta.entries == 0):
            raise self.damaged(f"{meta.entries} records are counted in it, and its tree begins at page {meta.root}")
        if meta.flags & DUPSORT:
            raise DataError(f"{self.path} has keys with several values (DUPSORT); make it again with a key for each")

    def damaged(self, what: str) -> DataError:
        """Return the error for content that cannot be right."""
        return self.error(f"is damaged: {what}")

    def error(self, what: str) -> DataError:
        """Return the error for a file of which another copy may be good."""
        return DataError(f"{self.path} {what}; copy or make it again")
