"""Pages of an LMDB file: read from scattered places, and taken apart, with every number in them checked.

Source: mdb.c of LMDB 0.9. core/data/lmdb_pages.py tells what the pages are for, and what is said of a damaged one.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from caffelite.core.kernels.jit.compile import kernel

Array = np.ndarray[Any, np.dtype[Any]]

PAGE_HEADER = 16  # bytes: page's number (8), nothing (2), kind (2), lower and upper (2 each) or number of pages (4)
NODE_HEADER = 8  # bytes: size of the value (4; in a branch page, with the next 2, a page's number), flags (2), key (2)
BRANCH, LEAF, OVERFLOW, KINDS = 0x01, 0x02, 0x04, 0x2F  # of pages
IN_OVERFLOW, POINTER = 0x01, 8  # flag of a node whose value is on pages of its own, and the bytes that say on which

MEMORY = 1 << 21  # bytes of pages that are read and taken apart together: each portion has its costs in Python
NODES = 1 << 13  # of these pages; one page has room for 3,276 at most
PARTS = 1024  # of memory that one call fills, at most (IOV_MAX)
HEADERS = PARTS // 2 * PAGE_HEADER  # bytes of the headers of the values that one call reads
UNWANTED = 1 << 15  # bytes behind a value up to the next page, if pages are as large as they can be
DONE, UNREADABLE, ANOTHER_KIND, REACHES_OUT = range(4)  # what became of a page

# POSIX: file, where to, how many bytes, from which byte on; returns how many were read, or -1. The second takes a list
# of addresses and sizes, and its length, instead of one.
_pread: Any = types.ExternalFunction("pread", types.intp(types.int32, types.uintp, types.uintp, types.int64))
_preadv: Any = types.ExternalFunction("preadv", types.intp(types.int32, types.uintp, types.int32, types.int64))


class Memory(NamedTuple):
    """Pages, how many nodes each has, and all nodes in order, (4, N): where key and value begin, sizes, flags.

    The size is that of the value in bytes; of a branch page's node it is the number of the page that it leads to. What
    a value on pages of its own leaves behind is POINTER bytes.
    """

    data: Array
    counts: Array
    nodes: Array


def new_scratch() -> tuple[Array, Array]:
    """Return memory for read_values, `headers` and `parts`; one thread at a time may use it."""
    return np.empty(HEADERS + UNWANTED, np.uint8), np.empty((PARTS, 2), np.int64)


def new_memory() -> Memory:
    """Return memory for read_nodes, which one thread at a time may use."""
    return Memory(np.empty(MEMORY, np.uint8), np.empty(MEMORY >> 8, np.int64), np.empty((4, NODES), np.int64))


@kernel
def read_nodes(file: int, numbers: Array, page_size: int, kind: int, memory: Memory) -> tuple[int, int, int]:
    """Read pages of this kind and take them apart, as many of those with these numbers, from the first on, as fit.

    Returns how many that are, how many nodes they have, and what became of the next page, DONE if it was not looked at.
    """
    done = found = place = 0
    while done < len(numbers):
        first, last = numbers[done], done + 1
        stop = place + page_size
        while (
            last < len(numbers)
            and numbers[last] == numbers[last - 1] + 1
            and place + (numbers[last] + 1 - first) * page_size <= MEMORY
        ):
            stop = place + (numbers[last] + 1 - first) * page_size
            last += 1
        if stop > MEMORY:
            break
        if not _read(file, memory.data.ctypes.data + place, stop - place, first * page_size):
            return done, found, UNREADABLE
        for page in range(done, last):
            start = place + (numbers[page] - first) * page_size
            count = _count(memory.data, start, numbers[page], page_size, kind)
            if count < 0:
                return page, found, ANOTHER_KIND
            if found and found + count > NODES:
                return page, found, DONE
            if count > NODES or not _find(memory, start, page_size, kind, count, found):
                return page, found, REACHES_OUT  # or into each other
            memory.counts[page] = count
            found += count
        place, done = stop, last
    return done, found, DONE


@kernel
def read_values(
    file: int, wanted: Array, page_size: int, headers: Array, parts: Array, values: Array
) -> tuple[int, int]:
    """Overwrite `values`, uint8, with values that have pages of their own, one behind the other.

    `wanted`, (3, N), says of each on which page it begins, how many pages and how many bytes it has. Returns how many
    are there, and what became of the next one's page, which has to be one of overflow with at least so many pages.
    """
    place = first = 0
    while first < wanted.shape[1]:
        last, count, size = _plan(wanted, first, page_size, headers, parts, values.ctypes.data + place)
        offset = wanted[0, first] * page_size
        if _preadv(file, parts.ctypes.data, count, offset) != size:
            for part in range(count):  # more than the system reads at once, or an error, which then comes again
                if not _read(file, parts[part, 0], parts[part, 1], offset):
                    return first, UNREADABLE
                offset += parts[part, 1]
        for i in range(first, last):
            if not _is_overflow(headers, (i - first) * PAGE_HEADER, wanted[0, i], wanted[1, i]):
                return i, ANOTHER_KIND
            place += wanted[2, i]
        first = last
    return first, DONE


@kernel
def _plan(
    wanted: Array, first: int, page_size: int, headers: Array, parts: Array, address: int
) -> tuple[int, int, int]:
    """Overwrite `parts` with where one call puts the values from `first` on: to `address`, their headers to `headers`.

    Returns which value is the first to come with another call, how many parts there are, and their bytes.
    """
    begin = end = wanted[0, first] * page_size
    header = headers.ctypes.data
    unwanted = header + HEADERS
    i, count = first, 0
    while i < wanted.shape[1] and count + 3 <= PARTS:
        start, size = wanted[0, i] * page_size, wanted[2, i]
        if not end <= start < end + page_size:
            break
        if start > end:
            parts[count, 0], parts[count, 1] = unwanted, start - end
            count += 1
        parts[count, 0], parts[count, 1] = header, PAGE_HEADER
        parts[count + 1, 0], parts[count + 1, 1] = address, size
        header, address = header + PAGE_HEADER, address + size
        end = start + PAGE_HEADER + size
        i, count = i + 1, count + 2
    return i, count, end - begin


@kernel
def _read(file: int, address: int, size: int, offset: int) -> bool:
    """Read so many bytes to an address; False if the file ends before or cannot be read."""
    done = 0
    while done < size:  # the system reads 2 GiB at most
        count = _pread(file, address + done, size - done, offset + done)
        if count <= 0:
            return False
        done += count
    return True


@kernel
def _is_overflow(data: Array, start: int, number: int, pages: int) -> bool:
    """Return whether the page that begins at `start` in bytes has this number and is the first of at least `pages`."""
    return bool(
        _number(data, start, 8) == number
        and _number(data, start + 10, 2) & KINDS == OVERFLOW
        and _number(data, start + 12, 4) >= pages
    )


@kernel
def _count(data: Array, start: int, number: int, page_size: int, kind: int) -> int:
    """Return how many nodes the page that begins at `start` has; -1 if it is not of this number and kind."""
    lower, upper = _number(data, start + 12, 2), _number(data, start + 14, 2)
    if (
        _number(data, start, 8) != number
        or _number(data, start + 10, 2) & KINDS != kind
        or lower % 2
        or not PAGE_HEADER < lower <= upper <= page_size
    ):
        return -1
    return (lower - PAGE_HEADER) // 2


@kernel
def _find(memory: Memory, start: int, page_size: int, kind: int, count: int, node: int) -> bool:
    """Write down the nodes of a page from `node` on; False if one of them reaches out of it."""
    data, nodes = memory.data, memory.nodes
    end, upper = start + page_size, _number(data, start + 14, 2)
    for entry in range(count):
        offset = _number(data, start + PAGE_HEADER + 2 * entry, 2)
        key = start + offset + NODE_HEADER
        if offset % 2 or offset < upper or key > end:
            return False
        flags = _number(data, key - 4, 2)
        size = _number(data, key - 8, 6 if kind == BRANCH else 4)
        value = key + _number(data, key - 2, 2)
        held = 0 if kind == BRANCH else POINTER if flags & IN_OVERFLOW else size
        if value + held > end:
            return False
        nodes[0, node + entry], nodes[1, node + entry] = key, value
        nodes[2, node + entry], nodes[3, node + entry] = size, flags
    return True


@kernel
def _number(data: Array, place: int, count: int) -> int:
    """Return the number in `count` bytes, the lowest first; of eight, as a signed one."""
    number: int = np.int64(0)
    for i in range(count):
        number |= np.int64(data[np.uintp(place + i)]) << (8 * i)  # unsigned: no look at whether it is below 0
    return number
