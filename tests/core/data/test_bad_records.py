import pytest

from caffelite.core.data.bad_records import MOST_NAMED, BadRecords
from caffelite.core.errors import DataError


def test_each_is_named_once_and_not_too_many(caplog):
    bad = BadRecords(True, None)
    for number in range(2 * MOST_NAMED):
        for _ in range(2):
            bad.add(b"%d" % number, DataError(f"record {number}"))
    assert caplog.messages[0] == "record 0; the record is left out (on_bad_record: skip)"
    assert len(caplog.messages) == MOST_NAMED + 1
    assert caplog.messages[-1].startswith("Further records")


def test_places_of_the_others():
    bad = BadRecords(True, None)
    assert bad.readable([b"a", b"b"]) is None
    bad.add(b"b", DataError("b"))
    assert bad.readable([b"a", b"b", b"c"]) == [0, 2]
    assert bad.readable([b"a"]) is None


def test_there_is_an_end():
    bad = BadRecords(True, 3)
    for key in (b"a", b"b"):
        bad.add(key, DataError(f"{key} is bad"))
    assert bad.readable([b"a", b"b", b"b", b"a"]) == []  # two shuffled rounds, with c first and last
    with pytest.raises(DataError, match="5 records in a row cannot be read.*b'a' is bad"):
        bad.readable([b"a"])
    bad.begin()
    assert bad.readable([b"a", b"b"]) == []


def test_all_are_bad():
    bad = BadRecords(True, 2)
    bad.add(b"a", DataError("a is bad"))
    assert bad.readable([b"a"]) == []
    bad.add(b"b", DataError("b is bad"))
    with pytest.raises(DataError, match="none of the 2 records can be read; the first of them: a is bad"):
        bad.readable([b"a"])
