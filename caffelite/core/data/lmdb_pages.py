"""The tree of an LMDB file: which of its pages hold records, in the order of their keys. Source: mdb.c of LMDB 0.9.

A file is a row of pages of one size, its numbers little endian, for 64 bits. Pages 0 and 1 (meta; see lmdb_file.py) say
in turns where the tree of the last but one and of the last commit begins. Its branch pages name pages below them, its
leaf pages hold keys and values; values that are too large for one lie in overflow pages of their own.
"""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.container import available, human
from caffelite.core.data.lmdb_file import Meta, PageFile
from caffelite.core.errors import DataError
from caffelite.core.kernels.pages import (
    BRANCH,
    DONE,
    GAP,
    IN_OVERFLOW,
    LEAF,
    OVERFLOW,
    PAGE_HEADER,
    Nodes,
    Pages,
    count_nodes,
    find_nodes,
    new_scratch,
)

KIND_NAMES = {BRANCH: "branch", LEAF: "leaf", OVERFLOW: "overflow"}
SUB_DATABASE = 0x02  # flag of a node

PAGES_AT_ONCE = 512  # looked at together: each portion has its costs
PAGES_OF_POINTERS = 16  # the same where values lie in pages of their own: there are some hundred in each, and far apart
VERY_LARGE = 1 << 26  # bytes of values for which memory is asked about


class Buffer:
    """Memory that is used again: to take new memory costs more than to read a file that is in memory."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def bytes(self, size: int) -> Array:
        """Return `size` bytes, those of the last call if they are enough."""
        if len(self._memory) < size:
            self._memory = np.empty(size + size // 2, np.uint8)
        return self._memory[:size]


class Tree:
    """The records of one commit, which nobody may write over while it is read."""

    def __init__(self, file: PageFile, meta: Meta) -> None:
        file.check(meta)
        self.file, self._meta = file, meta
        self._leaves: Array | None = None
        self._at_once = PAGES_OF_POINTERS
        self._buffer = Buffer()
        self._scratch: tuple[Array, Array] | None = None
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

    def records(self, leaf: int) -> tuple[Array, int, Nodes]:
        """Return bytes with this leaf page, by its place in the order of keys, and those that follow; how many; nodes.

        The next call overwrites the bytes.
        """
        numbers = self.leaves()[leaf : leaf + self._at_once]
        data, nodes = self._nodes(numbers, LEAF)
        self._at_once = PAGES_OF_POINTERS if (nodes.flags & IN_OVERFLOW).any() else PAGES_AT_ONCE
        return data, len(numbers), nodes

    def _children(self, numbers: Array) -> Array:
        children = self._nodes(numbers, BRANCH)[1].sizes
        wrong = (children < 2) | (children > self._meta.last_page)
        if wrong.any():
            raise self.file.damaged(f"a branch leads to page {children[wrong][0]} of {self._meta.last_page}")
        return children

    def _counts(self, numbers: Array) -> Array:
        return self._counted(self._gather(numbers), LEAF)

    def _gather(self, numbers: Array) -> Pages:
        """Return these pages, which must be in the file; those that lie together are read together."""
        size = self._meta.page_size
        gaps = numbers[1:] - numbers[:-1] - 1
        firsts = np.concatenate(([0], np.flatnonzero((gaps < 0) | (gaps > GAP)) + 1))
        lasts = np.concatenate((firsts[1:], [len(numbers)])) - 1
        offsets = numbers[firsts] * size
        stops = np.cumsum((numbers[lasts] + 1) * size - offsets)
        begins = np.concatenate(([0], stops[:-1]))
        starts = numbers * size + np.repeat(begins - offsets, lasts - firsts + 1)
        data = self._buffer.bytes(int(stops[-1]))
        self.file.read_spans(data, begins, stops, offsets)
        return Pages(data, starts, numbers, size)

    def _counted(self, pages: Pages, kind: int) -> Array:
        """Return how many nodes each page has; DataError if one is not of this kind."""
        counts = np.empty(len(pages.numbers), np.int64)
        if (wrong := count_nodes(pages, kind, counts)) != DONE:
            raise self._not_of_kind(pages.numbers[wrong], kind)
        return counts

    def _not_of_kind(self, number: int, kind: int) -> DataError:
        return self.file.damaged(f"page {number} is not the {KIND_NAMES[kind]} page that it should be")

    def _nodes(self, numbers: Array, kind: int) -> tuple[Array, Nodes]:
        pages = self._gather(numbers)
        counts = self._counted(pages, kind)
        nodes = Nodes(*np.empty((4, int(counts.sum())), np.int64))
        if (wrong := find_nodes(pages, kind, counts, nodes)) != DONE:
            raise self.file.damaged(f"page {numbers[wrong]} has entries that reach out of it")
        return pages.data, nodes

    def values_at(self, numbers: Array, sizes: Array) -> Array:
        """Return what `values` takes for values of these sizes that begin on these pages; DataError if not in the file.

        (3, N): where each begins (a page), its pages and its bytes.
        """
        page_size = self._meta.page_size
        pages = (sizes + (PAGE_HEADER + page_size - 1)) // page_size
        wrong = (numbers < 2) | (numbers > self._meta.last_page + 1 - pages)
        if wrong.any():
            raise self.file.damaged(f"a value of {sizes[wrong][0]} bytes would begin on page {numbers[wrong][0]}")
        return np.array([numbers, pages, sizes])

    def values(self, wanted: Array, size: int) -> Array:
        """Return some of these values one behind the other, as uint8, `size` bytes in all. Takes new memory."""
        if size >= VERY_LARGE and size > (have := available()):
            raise self.file.error(f"has values of {human(size)}, and {human(have)} of memory are available")
        values = np.empty(size, np.uint8)
        self._scratch = self._scratch or new_scratch()
        wrong = self.file.read_values(wanted, self._meta.page_size, self._scratch, values)
        if wrong != DONE:
            raise self._not_of_kind(wanted[0, wrong], OVERFLOW)
        return values
