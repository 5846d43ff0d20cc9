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

GAP = 8  # pages between two wanted ones that are rather read than passed over by another call
PARTS = 1024  # of memory that one call fills, at most (IOV_MAX)
HEADERS = PARTS // 2 * PAGE_HEADER  # bytes of the headers of the values that one call reads
UNWANTED = (GAP + 1) << 15  # bytes between two of them, if pages are as large as they can be
DONE = -1

# POSIX: file, where to, how many bytes, from which byte on; returns how many were read, or -1. The second takes a list
# of addresses and sizes, and its length, instead of one.
_pread: Any = types.ExternalFunction("pread", types.intp(types.int32, types.uintp, types.uintp, types.int64))
_preadv: Any = types.ExternalFunction("preadv", types.intp(types.int32, types.uintp, types.int32, types.int64))


class Pages(NamedTuple):
    """Some pages in memory: bytes, where each page begins in them, its number, and the bytes of a page."""

    data: Array
    starts: Array
    numbers: Array
    size: int


class Nodes(NamedTuple):
    """The nodes of some pages in order: where key and value begin (bytes), the value's size, and flags.

    Of a branch page's node the size is the number of the page that it leads to. What a value on pages of its own
    leaves behind is POINTER bytes.
    """

    keys: Array
    values: Array
    sizes: Array
    flags: Array


def new_scratch() -> tuple[Array, Array]:
    """Return memory for read_values, `headers` and `parts`; one thread at a time may use it."""
    return np.empty(HEADERS + UNWANTED, np.uint8), np.empty((PARTS, 2), np.int64)


@kernel
def read_spans(file: int, data: Array, begins: Array, stops: Array, offsets: Array) -> int:
    """Fill data[begin:stop] from each offset of the file on; return the first span that could not be read, or DONE."""
    for i in range(len(begins)):
        if not _read(file, data.ctypes.data + begins[i], stops[i] - begins[i], offsets[i]):
            return i
    return DONE


@kernel
def read_values(file: int, wanted: Array, page_size: int, headers: Array, parts: Array, values: Array) -> int:
    """Overwrite `values`, uint8, with values that have pages of their own, one behind the other; DONE if all went well.

    `wanted`, (3, N), says of each on which page it begins, how many pages and how many bytes it has. Returns i if the
    page of value i is not one of overflow with at least so many pages, and -2 - i if it could not be read.
    """
    place = first = 0
    while first < wanted.shape[1]:
        last, count, size = _plan(wanted, first, page_size, headers, parts, values.ctypes.data + place)
        offset = wanted[0, first] * page_size
        if _preadv(file, parts.ctypes.data, count, offset) != size:
            for part in range(count):  # more than the system reads at once, or an error, which then comes again
                if not _read(file, parts[part, 0], parts[part, 1], offset):
                    return -2 - first
                offset += parts[part, 1]
        for i in range(first, last):
            if not _is_overflow(headers, (i - first) * PAGE_HEADER, wanted[0, i], wanted[1, i]):
                return i
            place += wanted[2, i]
        first = last
    return DONE


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
        if not end <= start <= end + (GAP + 1) * page_size:
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
def count_nodes(pages: Pages, kind: int, counts: Array) -> int:
    """Overwrite counts with the nodes of each page; return the first page that is not of this kind, or DONE."""
    for i in range(len(pages.starts)):
        start = pages.starts[i]
        lower, upper = _number(pages.data, start + 12, 2), _number(pages.data, start + 14, 2)
        if (
            _number(pages.data, start, 8) != pages.numbers[i]
            or _number(pages.data, start + 10, 2) & KINDS != kind
            or lower % 2
            or not PAGE_HEADER < lower <= upper <= pages.size
        ):
            return i
        counts[i] = (lower - PAGE_HEADER) // 2
    return DONE


@kernel
def find_nodes(pages: Pages, kind: int, counts: Array, nodes: Nodes) -> int:
    """Overwrite nodes; return the first page that has one that reaches out of it, or DONE."""
    node = 0
    for i in range(len(pages.starts)):
        start, end = pages.starts[i], pages.starts[i] + pages.size
        upper = _number(pages.data, start + 14, 2)
        for entry in range(counts[i]):
            offset = _number(pages.data, start + PAGE_HEADER + 2 * entry, 2)
            key = start + offset + NODE_HEADER
            if offset % 2 or offset < upper or key > end:
                return i
            flags = _number(pages.data, key - 4, 2)
            size = _number(pages.data, key - 8, 6 if kind == BRANCH else 4)
            value = key + _number(pages.data, key - 2, 2)
            held = 0 if kind == BRANCH else POINTER if flags & IN_OVERFLOW else size
            if value + held > end:
                return i
            nodes.keys[node], nodes.values[node], nodes.sizes[node], nodes.flags[node] = key, value, size, flags
            node += 1
    return DONE


@kernel
def _number(data: Array, place: int, count: int) -> int:
    """Return the number in `count` bytes, the lowest first; of eight, as a signed one."""
    number: int = np.int64(0)
    for i in range(count):
        number |= np.int64(data[place + i]) << (8 * i)
    return number
