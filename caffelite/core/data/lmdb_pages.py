"""The pages of an LMDB file, read without liblmdb, which believes whatever stands in them. Source: mdb.c of LMDB 0.9.

A file is a row of pages of one size, its numbers little endian, for 64 bits. Pages 0 and 1 (meta) say in turns
where the tree of the last but one and of the last commit begins. Its branch pages name pages below them, its leaf pages
hold keys and values; values that are too large for one lie in overflow pages of their own. Nothing is used before it
has been checked against the file, so that damage of any kind ends in a DataError.
"""

from __future__ import annotations

import os
import stat
import struct
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.container import available, human
from caffelite.core.errors import DataError

Record = tuple[bytes, bytes]
Found = TypeVar("Found", int, bytes)

MAGIC = 0xBEEFC0DE
VERSION = 1
PAGE_SIZES = {1 << bits for bits in range(8, 16)}  # offsets in a page have 16 bits
PAGE_HEADER = (
    16  # bytes: number of the page (8), nothing (2), kind (2), lower and upper (2 each) or number of pages (4)
)
POINTER = np.dtype("<i8")  # the number of the page where a value begins that has pages of its own
NODE_HEADER = 8  # bytes: size of the value (4; in a branch page, with the next 2, a page's number), flags (2), key (2)
# magic, version, address, map size; two trees of (pad, flags, depth, pages of 3 kinds, entries, root); last page,
# transaction. The first tree is that of the free pages, its pad the page size; the second has the records.
META = struct.Struct("<IIQQ" + "IHHQQQQQ" * 2 + "QQ")
META_32_BITS = 12  # bytes before the meta data of a page that a 32-bit machine wrote
PAGE_SIZE_FIELD, FLAGS_FIELD, DEPTH_FIELD, ENTRIES_FIELD, ROOT_FIELD, LAST_FIELD, TRANSACTION_FIELD = (
    4, 13, 14, 18, 19, 20, 21
)  # fmt: skip
NO_PAGE = 2**64 - 1
MAX_DEPTH = 32

BRANCH, LEAF, OVERFLOW, KINDS = 0x01, 0x02, 0x04, 0x2F
FOUR = np.arange(4)
KIND_NAMES = {BRANCH: "branch", LEAF: "leaf", OVERFLOW: "overflow"}
IN_OVERFLOW, SUB_DATABASE, NOT_A_RECORD = 0x01, 0x02, 0xFFFE  # flags of a node
DUPSORT = 0x04  # flag of a tree: keys with several values

PAGES_AT_ONCE = 256  # looked at together: numpy pays for many
PAGES_OF_POINTERS = 16  # the same where values lie in pages of their own: there are some hundred in each, and far apart
GAP = 8  # pages between two wanted ones that are rather read than passed over by another call
BYTES_AT_ONCE = 1 << 20  # of smaller values, read together
LARGE = 1 << 16  # bytes of a value from which a call of its own costs less than to copy it out of others
VERY_LARGE = 1 << 26  # bytes of a value for which memory is asked about


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

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill `view` with the bytes from `offset` on; DataError as for read."""
        try:
            count = os.preadv(self._file, [view], offset)
            while count < len(view):
                count += self._some(os.preadv(self._file, [view[count:]], offset + count), offset + count)
        except OSError as err:
            raise self._unreadable(err) from None

    def _some(self, found: Found, offset: int) -> Found:
        if not found:
            raise self.error(f"is cut short: it ends at byte {offset}")
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


class Nodes(NamedTuple):
    """The nodes of some pages, in order. Places are bytes from the beginning of `data`."""

    data: memoryview
    counts: Array  # nodes of each page
    starts: Array  # place of each node
    heads: Array  # (N, 4): size of the value or number of a page (low, high), flags, size of the key
    ends: Array  # place where each node's page ends


class Buffer:
    """Memory that is used again: to take new memory costs more than to read a file that is in memory."""

    def __init__(self) -> None:
        self._view = memoryview(bytearray())

    def view(self, size: int) -> memoryview:
        """Return `size` bytes, those of the last call if they are enough."""
        if len(self._view) < size:
            self._view = memoryview(bytearray(size + size // 2))
        return self._view[:size]


class Tree:
    """The records of one commit, which nobody may write over while it is read."""

    def __init__(self, file: PageFile, meta: Meta) -> None:
        file.check(meta)
        self.file, self._meta = file, meta
        self._leaves: Array | None = None
        self._at_once = PAGES_OF_POINTERS
        self._nodes_buffer, self._values_buffer = Buffer(), Buffer()
        self._firsts = [0]  # position of the first record of each leaf page from the first on, as far as known

    def leaves(self) -> Array:
        """Return the numbers of all leaf pages in the order of their keys."""
        if self._leaves is None:
            numbers = np.array([self._meta.root], np.int64)
            for _ in range(self._meta.depth - 1):
                parts = [
                    self._children(numbers[at : at + PAGES_AT_ONCE]) for at in range(0, len(numbers), PAGES_AT_ONCE)
                ]
                numbers = np.concatenate(parts)
                # Damaged pages could lead in circles, or to more pages than there are.
                if len(np.unique(numbers)) < len(numbers):
                    raise self.file.damaged("several branches lead to one page")
            self._leaves = numbers
        return self._leaves

    def find(self, record: int) -> tuple[int, int]:
        """Return in which leaf page a record is, counted from 0, and at which place there.

        Walks over the leaf pages up to there unless it has been farther. DataError if there are not so many records.
        """
        firsts, leaves = self._firsts, self.leaves()
        while firsts[-1] <= record:
            at = len(firsts) - 1
            if at == len(leaves):
                raise self.miscounted(firsts[-1])
            counts = self._counts(leaves[at : at + PAGES_AT_ONCE])
            firsts += (firsts[-1] + np.cumsum(counts)).tolist()
        leaf = int(np.searchsorted(firsts, record, "right")) - 1
        return leaf, record - firsts[leaf]

    def miscounted(self, found: int) -> DataError:
        """Return the error for another number of records than the meta page tells."""
        return self.file.damaged(f"{self._meta.entries} records are counted in it, but {found} were found")

    def not_a_record(self, flags: int, key: bytes) -> DataError:
        """Return the error for a leaf page's entry, with these flags, that is no key with one value."""
        if flags != SUB_DATABASE:
            return self.file.damaged("an entry is neither a record nor a database")
        name = key[:64].decode(errors="backslashreplace")
        return DataError(
            f"{self.file.path} has a named database in it ({name!r}); make it again with its records alone"
        )

    def block(self, leaf: int) -> Block:
        """Return the records of this leaf page, by its place in the order of keys, and of those that follow."""
        block = Block(self, self._nodes(self.leaves()[leaf : leaf + self._at_once], LEAF))
        self._at_once = PAGES_AT_ONCE if block.in_overflow is None else PAGES_OF_POINTERS
        return block

    def _children(self, numbers: Array) -> Array:
        heads = self._nodes(numbers, BRANCH).heads.astype(np.int64)
        children: Array = heads[:, 0] | heads[:, 1] << 16 | heads[:, 2] << 32
        wrong = (children < 2) | (children > self._meta.last_page)
        if wrong.any():
            raise self.file.damaged(f"a branch leads to page {children[wrong][0]} of {self._meta.last_page}")
        return children

    def _counts(self, numbers: Array) -> Array:
        data, starts = self._gather(numbers, 1, self._nodes_buffer)
        return self._checked(numbers, LEAF, data, starts)[0]

    def _gather(self, numbers: Array, pages: Array | int, buffer: Buffer) -> tuple[memoryview, Array]:
        """Return bytes with `pages` pages from each of `numbers` on, and where each begins in them.

        Those that lie together are read together. The numbers must have been checked.
        """
        size = self._meta.page_size
        ends = numbers + pages
        gaps = numbers[1:] - ends[:-1]
        breaks = ((gaps < 0) | (gaps > GAP)).nonzero()[0].tolist()
        firsts, lasts = [0, *(place + 1 for place in breaks)], [*breaks, len(numbers) - 1]
        starts = numbers * size
        spans = []
        passed = 0
        for first, last in zip(firsts, lasts, strict=True):
            offset, end = int(starts[first]), int(ends[last]) * size
            spans.append((offset, passed, passed + end - offset))
            starts[first : last + 1] += passed - offset
            passed += end - offset
        view = buffer.view(passed)
        for offset, start, stop in spans:
            self.file.read_into(view[start:stop], offset)
        return view, starts

    def _headers(self, data: memoryview, starts: Array) -> tuple[Array, Array]:
        """Return the headers of pages, once as 16-bit numbers, (N, 8), and once as 64-bit numbers, (N, 2)."""
        words = np.frombuffer(data, "<u2").reshape(-1, self._meta.page_size >> 1)
        headers: Array = words[starts // self._meta.page_size, : PAGE_HEADER >> 1]
        return headers, np.ascontiguousarray(headers).view("<u8")

    def _checked(self, numbers: Array, kind: int, data: memoryview, starts: Array) -> tuple[Array, Array]:
        """Return for each page how many nodes it has and where the first of them may begin, from the page's start."""
        headers, own_numbers = self._headers(data, starts)
        lower, upper = headers[:, 6].astype(np.int64), headers[:, 7]
        wrong = (
            (own_numbers[:, 0] != numbers)
            | (headers[:, 5] & KINDS != kind)
            | (lower & 1 == 1)
            | (lower <= PAGE_HEADER)
            | (lower > upper)
            | (upper > self._meta.page_size)
        )
        if wrong.any():
            raise self.file.damaged(f"page {numbers[wrong][0]} is not the {KIND_NAMES[kind]} page that it should be")
        return (lower - PAGE_HEADER) >> 1, upper

    def _nodes(self, numbers: Array, kind: int) -> Nodes:
        data, starts = self._gather(numbers, 1, self._nodes_buffer)
        counts, upper = self._checked(numbers, kind, data, starts)
        words: Array = np.frombuffer(data, "<u2")
        sums = np.cumsum(counts)
        # Where a page's list of nodes begins, minus the nodes of the pages before it, in 16-bit words.
        lists = np.repeat((starts + PAGE_HEADER >> 1) - (sums - counts), counts)
        offsets = words[lists + np.arange(int(sums[-1]))]
        nodes = np.repeat(starts, counts) + offsets
        ends = np.repeat(starts + self._meta.page_size, counts)
        wrong = (offsets < np.repeat(upper, counts)) | (nodes + NODE_HEADER > ends) | (offsets & 1 == 1)
        if not wrong.any():
            heads: Array = words[(nodes >> 1)[:, np.newaxis] + FOUR]
            wrong = nodes + NODE_HEADER + heads[:, 3] > ends
        if wrong.any():
            number = np.repeat(numbers, counts)[wrong][0]
            raise self.file.damaged(f"page {number} has entries that reach out of it")
        return Nodes(data, counts, nodes, heads, ends)

    def pages_of(self, numbers: Array, sizes: Array) -> Array:
        """Return how many pages values of these sizes take that begin on these pages; DataError if not in the file."""
        page_size = self._meta.page_size
        pages: Array = (sizes + (PAGE_HEADER + page_size - 1)) // page_size
        wrong = (numbers < 2) | (numbers > self._meta.last_page + 1 - pages)
        if wrong.any():
            raise self.file.damaged(f"a value of {sizes[wrong][0]} bytes would begin on page {numbers[wrong][0]}")
        return pages

    def values(self, numbers: Array, pages: Array) -> tuple[memoryview, Array]:
        """Return bytes with the values that begin on these pages, and where each begins in them."""
        data, starts = self._gather(numbers, pages, self._values_buffer)
        self._check_overflow(numbers, pages, *self._headers(data, starts))
        return data, starts + PAGE_HEADER

    def large_value(self, number: int, pages: int, size: int) -> int:
        """Return where in the file the value begins that lies on these pages."""
        start = number * self._meta.page_size
        header = np.frombuffer(self.file.read(start, PAGE_HEADER), "<u2")
        self._check_overflow(np.array([number]), np.array([pages]), header[np.newaxis], header.view("<u8")[np.newaxis])
        if size >= VERY_LARGE and size > (have := available()):
            raise self.file.error(f"has a value of {human(size)}, and {human(have)} of memory are available")
        return start + PAGE_HEADER

    def values_at_once(self, pages: int) -> int:
        """Return how many values of so many pages are read together."""
        return max(1, BYTES_AT_ONCE // (pages * self._meta.page_size))

    def _check_overflow(self, numbers: Array, pages: Array, headers: Array, own_numbers: Array) -> None:
        own_pages = own_numbers[:, 1] >> 32
        wrong = (own_numbers[:, 0] != numbers) | (headers[:, 5] & KINDS != OVERFLOW) | (own_pages < pages)
        if wrong.any():
            raise self.file.damaged(f"page {numbers[wrong][0]} is not the overflow page that it should be")


def _rows(data: memoryview, starts: Array, size: int) -> Array:
    """Return copies of `size` bytes from each start on, (N, size) uint8."""
    length = max(0, len(data) - size + 1)
    everywhere: Array = np.ndarray((length,), np.dtype((np.void, size)), data, strides=(1,))
    return everywhere[starts].view(np.uint8).reshape(len(starts), size)


def _items(rows: Array) -> list[bytes]:
    """Return the rows, (N, size) uint8, as bytes."""
    items: list[bytes] = rows.view(np.dtype((np.void, rows.shape[1])))[:, 0].tolist()
    return items


class Rows(NamedTuple):
    """Records that follow each other: their values as an array, (N, size) uint8, if they are all of one size."""

    keys: list[bytes]
    values: Array | list[bytes]


class Block:
    """The records of some leaf pages, until the tree reads other pages."""

    def __init__(self, tree: Tree, nodes: Nodes) -> None:
        self._tree, self._data, heads = tree, nodes.data, nodes.heads
        self.pages, self.count = len(nodes.counts), len(nodes.starts)
        flags, key_sizes = heads[:, 2], heads[:, 3]
        self._sizes = heads[:, 0] | heads[:, 1].astype(np.int64) << 16
        self._starts, self._values = nodes.starts, nodes.starts + NODE_HEADER + key_sizes
        self.in_overflow: Array | None = None
        ends = self._values + self._sizes
        if flags.any():
            self.in_overflow = flags & IN_OVERFLOW != 0
            ends = np.where(self.in_overflow, self._values + POINTER.itemsize, ends)
        if (ends > nodes.ends).any():
            raise tree.file.damaged("a value reaches out of its page")
        self._keys = self._all_keys(key_sizes)
        for place in np.flatnonzero(flags & NOT_A_RECORD)[:1]:
            raise tree.not_a_record(int(flags[place]), self._keys[place])
        self._size = int(self._sizes[0]) if (self._sizes == self._sizes[0]).all() else None  # of all values
        self._overflow = None if self.in_overflow is None else Overflow(tree, self)

    def _all_keys(self, sizes: Array) -> list[bytes]:
        starts, size = self._starts + NODE_HEADER, int(sizes[0])
        if size and (sizes == size).all():
            return _items(_rows(self._data, starts, size))
        bounds = zip(starts.tolist(), self._values.tolist(), strict=True)
        return [bytes(self._data[start:end]) for start, end in bounds]

    def pointers(self) -> tuple[Array, Array]:
        """Return the first pages and the sizes of the values that lie in pages of their own."""
        assert self.in_overflow is not None
        # As signed numbers: what is too large for a file is then too small.
        numbers = _rows(self._data, self._values[self.in_overflow], POINTER.itemsize).view(POINTER)[:, 0]
        return numbers, self._sizes[self.in_overflow]

    def records(self, first: int, last: int) -> list[Record]:
        """Return key and value of the records from place `first` up to, and without, `last`."""
        return list(zip(self._keys[first:last], self._values_of(first, last), strict=True))

    def rows(self, first: int, last: int) -> list[Rows]:
        """Return the same in one Rows."""
        values: Array | list[bytes]
        if not self._size or not self._of_one_kind(first, last):
            values = self._values_of(first, last)
        elif self._overflow is None or not self._overflow.count(first, last):
            values = _rows(self._data, self._values[first:last], self._size)
        else:
            values = self._overflow.rows(first, last, self._size)
        return [Rows(self._keys[first:last], values)]

    def _of_one_kind(self, first: int, last: int) -> bool:
        return self._overflow is None or self._overflow.count(first, last) in (0, last - first)

    def _values_of(self, first: int, last: int) -> list[bytes]:
        data, starts = self._data, self._values[first:last]
        if self._overflow is None:
            if self._size:
                return _items(_rows(data, starts, self._size))
            ends = (starts + self._sizes[first:last]).tolist()
            return [bytes(data[start:end]) for start, end in zip(starts.tolist(), ends, strict=True)]
        assert self.in_overflow is not None
        elsewhere = self._overflow.values(first, last)
        if self._overflow.count(first, last) == last - first:
            return list(elsewhere)
        apart, ends = self.in_overflow[first:last].tolist(), (starts + self._sizes[first:last]).tolist()
        places = zip(apart, starts.tolist(), ends, strict=True)
        return [next(elsewhere) if other else bytes(data[start:end]) for other, start, end in places]


class Overflow:
    """The values of a block that lie in pages of their own. Small ones are read some at once, ahead of their turn."""

    def __init__(self, tree: Tree, block: Block) -> None:
        assert block.in_overflow is not None
        self._tree = tree
        self._numbers, self._sizes = block.pointers()
        self._pages = tree.pages_of(self._numbers, self._sizes)
        self._befores = np.concatenate(([0], np.cumsum(block.in_overflow)))  # such values before each place
        self._are_large = bool(self._sizes.max() >= LARGE)
        self._at_once = tree.values_at_once(int(self._pages.max()))
        self._first = self._last = 0  # which values `_data` holds
        self._data, self._starts = memoryview(b""), np.zeros(0, np.int64)

    def count(self, first: int, last: int) -> int:
        """Return how many there are from place `first` of the block up to, and without, `last`."""
        return int(self._befores[last] - self._befores[first])

    def values(self, first: int, last: int) -> Iterator[bytes]:
        """Give those from place `first` of the block up to, and without, `last`."""
        begin, end = int(self._befores[first]), int(self._befores[last])
        if self._are_large:
            for place in range(begin, end):
                size = int(self._sizes[place])
                yield self._tree.file.read(self._large(place), size)
            return
        for data, at, starts in self._portions(begin, end):
            ends = starts + self._sizes[at : at + len(starts)]
            for start, stop in zip(starts.tolist(), ends.tolist(), strict=True):
                yield bytes(data[start:stop])

    def rows(self, first: int, last: int, size: int) -> Array:
        """Return the same, all of `size` bytes, as (N, size) uint8."""
        begin, end = int(self._befores[first]), int(self._befores[last])
        if self._are_large:
            offsets = [self._large(place) for place in range(begin, end)]
            rows: Array = np.empty((end - begin, size), np.uint8)
            for row, offset in zip(rows, offsets, strict=True):
                self._tree.file.read_into(memoryview(row), offset)
            return rows
        found = [_rows(data, starts, size) for data, _, starts in self._portions(begin, end)]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _large(self, place: int) -> int:
        return self._tree.large_value(int(self._numbers[place]), int(self._pages[place]), int(self._sizes[place]))

    def _portions(self, begin: int, end: int) -> Iterator[tuple[memoryview, int, Array]]:
        """Give bytes, the first value that lies in them, and where it and those that follow begin in the bytes."""
        while begin < end:
            if not self._first <= begin < self._last:
                last = min(begin + self._at_once, len(self._numbers))
                self._first = self._last = 0  # what `_data` held is lost, also if reading fails
                self._data, self._starts = self._tree.values(self._numbers[begin:last], self._pages[begin:last])
                self._first, self._last = begin, last
            stop = min(end, self._last)
            yield self._data, begin, self._starts[begin - self._first : stop - self._first]
            begin = stop
