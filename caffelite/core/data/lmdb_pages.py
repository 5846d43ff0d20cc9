"""The tree of an LMDB file: which of its pages hold records, in the order of their keys. Source: mdb.c of LMDB 0.9.

A file is a row of pages of one size, its numbers little endian, for 64 bits. Pages 0 and 1 (meta; see lmdb_file.py) say
in turns where the tree of the last but one and of the last commit begins. Its branch pages name pages below them, its
leaf pages hold keys and values; values that are too large for one lie in overflow pages of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.container import available, human
from caffelite.core.data.lmdb_file import Meta, PageFile
from caffelite.core.errors import DataError
from caffelite.core.kernels.pages import BRANCH, LEAF, PAGE_HEADER, new_memory, new_scratch

SUB_DATABASE = 0x02  # flag of a node
VERY_LARGE = 1 << 26  # bytes of values for which memory is asked about


class Nodes(NamedTuple):
    """The nodes of some pages in order: bytes, where key and value begin in them, the value's size, and flags."""

    data: Array
    keys: Array
    values: Array
    sizes: Array
    flags: Array


class Tree:
    """The records of one commit, which nobody may write over while it is read."""

    def __init__(self, file: PageFile, meta: Meta) -> None:
        file.check(meta)
        self.file, self._meta = file, meta
        self._leaves: Array | None = None
        self._memory = new_memory()
        self._scratch: tuple[Array, Array] | None = None
        self._firsts = [0]  # position of the first record of each leaf page from the first on, as far as known

    def leaves(self) -> Array:
        """Return the numbers of all leaf pages in the order of their keys."""
        if self._leaves is None:
            numbers = np.array([self._meta.root], np.int64)
            for _ in range(self._meta.depth - 1):
                numbers = np.concatenate(list(self._children(numbers)))
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
            done, _ = self._read(leaves[at:], LEAF)
            firsts += (firsts[-1] + np.cumsum(self._memory.counts[:done])).tolist()
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

    def records(self, leaf: int, most: int | None = None) -> tuple[int, Nodes]:
        """Return the nodes of this leaf page, by its place in the order of keys, and of some that follow; how many.

        Of no more than `most` pages, if given. The next call of any method overwrites them.
        """
        done, found = self._read(self.leaves()[leaf : None if most is None else leaf + most], LEAF)
        return done, Nodes(self._memory.data, *self._memory.nodes[:, :found])

    def _read(self, numbers: Array, kind: int) -> tuple[int, int]:
        """Read and take apart the first pages of these, which must be in the file; return how many, and their nodes."""
        return self.file.read_nodes(numbers, self._meta.page_size, kind, self._memory)

    def _children(self, numbers: Array) -> Iterator[Array]:
        """Give the numbers of the pages that branch pages lead to."""
        while len(numbers):
            done, found = self._read(numbers, BRANCH)
            children = self._memory.nodes[2, :found]
            wrong = (children < 2) | (children > self._meta.last_page)
            if wrong.any():
                raise self.file.damaged(f"a branch leads to page {children[wrong][0]} of {self._meta.last_page}")
            yield children.copy()
            numbers = numbers[done:]

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
        self.file.read_values(wanted, self._meta.page_size, self._scratch, values)
        return values
