"""The records of an LMDB file: keys and values of its leaf pages, and of the pages that large values have.

Source: mdb.c of LMDB 0.9.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.lmdb_pages import Tree
from caffelite.core.kernels.pages import IN_OVERFLOW

Record = tuple[bytes, bytes]

NOT_A_RECORD = 0xFFFE  # flags of a node
POINTER = np.dtype("<i8")  # the number of the page where a value begins that has pages of its own


@lru_cache(maxsize=64)
def _bytes_type(size: int) -> np.dtype[np.void]:
    return np.dtype((np.void, size))


def _rows(data: Array, starts: Array, size: int) -> Array:
    """Return copies of `size` bytes from each start on, (N, size) uint8."""
    return _items(data, starts, size).view(np.uint8).reshape(len(starts), size)


def _items(data: Array, starts: Array, size: int) -> Array:
    """Return the same as (N), each item being so many bytes."""
    length = max(0, len(data) - size + 1)
    everywhere: Array = np.ndarray((length,), _bytes_type(size), data, strides=(1,))
    items: Array = everywhere[starts]
    return items


class Rows(NamedTuple):
    """Records that follow each other: their values as an array, (N, size) uint8, if they are all of one size."""

    keys: list[bytes]
    values: Array | list[bytes]


def merged(parts: list[Rows]) -> list[Rows]:
    """Return the parts as one if their values are arrays of one size."""
    arrays = [part.values for part in parts if isinstance(part.values, np.ndarray)]
    if len(parts) == 1 or len(arrays) < len(parts) or len({array.shape[1] for array in arrays}) > 1:
        return parts
    return [Rows([key for part in parts for key in part.keys], np.concatenate(arrays))]


class Block:
    """The records of a leaf page, by its place in the order of keys, and of some that follow, until others are read.

    Of no more than `most` pages, if given.
    """

    def __init__(self, tree: Tree, leaf: int, most: int | None = None) -> None:
        self._tree = tree
        self.pages, nodes = tree.records(leaf, most)
        self._data, self._values, self._sizes, flags = nodes.data, nodes.values, nodes.sizes, nodes.flags
        self.count = len(flags)
        self.in_overflow = flags & IN_OVERFLOW != 0 if flags.any() else None
        self._keys = self._all_keys(nodes.keys)
        for place in np.flatnonzero(flags & NOT_A_RECORD)[:1]:
            raise tree.not_a_record(int(flags[place]), self._keys[place])
        self._size = int(self._sizes[0]) if (self._sizes == self._sizes[0]).all() else None  # of all values
        self._overflow = None if self.in_overflow is None else Overflow(tree, self)

    def _all_keys(self, starts: Array) -> list[bytes]:
        sizes = self._values - starts
        size = int(sizes[0])
        if size and (sizes == size).all():
            keys: list[bytes] = _items(self._data, starts, size).tolist()
            return keys
        bounds = zip(starts.tolist(), self._values.tolist(), strict=True)
        return [self._data[start:end].tobytes() for start, end in bounds]

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
        apart = 0 if self._overflow is None else self._overflow.count(first, last)
        if not self._size or apart not in (0, last - first):
            values = self._values_of(first, last)
        elif self._overflow is None or not apart:
            values = _rows(self._data, self._values[first:last], self._size)
        else:
            values = self._overflow.rows(first, last, self._size)
        return [Rows(self._keys[first:last], values)]

    def _values_of(self, first: int, last: int) -> list[bytes]:
        data, starts = self._data, self._values[first:last]
        if self._overflow is None:
            if self._size:
                values: list[bytes] = _items(data, starts, self._size).tolist()
                return values
            ends = (starts + self._sizes[first:last]).tolist()
            return [data[start:end].tobytes() for start, end in zip(starts.tolist(), ends, strict=True)]
        assert self.in_overflow is not None
        elsewhere = self._overflow.values(first, last)
        if self._overflow.count(first, last) == last - first:
            return list(elsewhere)
        apart, ends = self.in_overflow[first:last].tolist(), (starts + self._sizes[first:last]).tolist()
        places = zip(apart, starts.tolist(), ends, strict=True)
        return [next(elsewhere) if other else data[start:end].tobytes() for other, start, end in places]


class Overflow:
    """The values of a block that lie in pages of their own."""

    def __init__(self, tree: Tree, block: Block) -> None:
        assert block.in_overflow is not None
        self._tree = tree
        self._values = tree.values_at(*block.pointers())
        self._befores = np.concatenate(([0], np.cumsum(block.in_overflow)))  # such values before each place

    def count(self, first: int, last: int) -> int:
        """Return how many there are from place `first` of the block up to, and without, `last`."""
        return int(self._befores[last] - self._befores[first])

    def values(self, first: int, last: int) -> Iterator[bytes]:
        """Give those from place `first` of the block up to, and without, `last`."""
        wanted = self._values[:, self._befores[first] : self._befores[last]]
        ends = np.cumsum(wanted[2])
        data = self._tree.values(wanted, int(ends[-1])) if len(ends) else wanted
        for start, end in zip((ends - wanted[2]).tolist(), ends.tolist(), strict=True):
            yield data[start:end].tobytes()

    def rows(self, first: int, last: int, size: int) -> Array:
        """Return the same, all of `size` bytes, as (N, size) uint8."""
        wanted = self._values[:, self._befores[first] : self._befores[last]]
        return self._tree.values(wanted, wanted.shape[1] * size).reshape(-1, size)
