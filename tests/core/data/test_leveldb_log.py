import io
import struct

import pytest

from caffelite.core.data.leveldb_log import LogError, pieces, records

FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def piece(kind, data):
    return struct.pack("<IHB", 0, len(data), kind) + data


def test_records_in_pieces_over_the_borders_of_blocks():
    first = piece(FULL, b"a" * 32750)  # leaves 11 bytes: a header and four bytes
    log = first + piece(FIRST, b"bbbb") + piece(MIDDLE, b"c" * 32761) + piece(LAST, b"dd") + piece(FULL, b"")
    assert list(records(io.BytesIO(log))) == [b"a" * 32750, b"bbbb" + b"c" * 32761 + b"dd", b""]


def test_the_end_of_a_block_that_no_header_fits_in_is_filled_up():
    log = piece(FULL, b"a" * 32756) + bytes(5) + piece(FULL, b"b")
    assert [len(part.data) for part in pieces(io.BytesIO(log))] == [32756, 1]


def test_an_empty_log_is_whole():
    assert list(pieces(io.BytesIO())) == []


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (piece(FULL, b"abc")[:-1], "it ends within a record"),
        (piece(FULL, b"abc") + bytes(3), "it ends within a record"),
        (piece(FIRST, b"abc"), "it ends within a record"),
        (piece(FULL, b"abc") + bytes(100), "no record where one should be, at byte 10"),
        (piece(MIDDLE, b"abc"), "at byte 0"),
        (piece(FIRST, b"abc") + piece(FULL, b"d"), "at byte 10"),
        (piece(FULL, bytes(32756)) + bytes(5) + piece(9, b"b"), "at byte 32768"),
        (struct.pack("<IHB", 0, 32762, FULL) + bytes(40000), "at byte 0"),
    ],
)
def test_what_is_not_whole(log, message):
    with pytest.raises(LogError, match=message):
        list(pieces(io.BytesIO(log)))
