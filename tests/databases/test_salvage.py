import pytest

from caffelite.core.errors import DataError
from caffelite.databases.salvage import Salvage

A, B, C, D = ((key, b"") for key in (b"a", b"b", b"c", b"d"))
LOST, ALSO = DataError("lost"), DataError("also lost")


@pytest.fixture
def salvage():
    """Of a, what is lost, b, c, d and what is lost behind; `.reads` counts how often that is read from its start."""

    def read():
        made.reads += 1
        yield from (A, LOST, B, C, D, ALSO)

    made = Salvage(read)
    made.reads = 0
    return made


def test_places_and_what_was_before(salvage):
    assert salvage.count() == 4
    assert list(salvage.between(0, 4)) == [
        (0, b"", A),
        (1, b"a", LOST),
        (1, b"a", B),
        (2, b"b", C),
        (3, b"c", D),
        (4, b"d", ALSO),
    ]


def test_ranges_that_follow_each_other_give_damage_once_and_read_once(salvage):
    parts = [list(salvage.between(start, stop)) for start, stop in ((0, 1), (1, 2), (3, 4))]
    assert [[found for _, _, found in part] for part in parts] == [[A, LOST], [B], [D, ALSO]]
    assert salvage.reads == 1


def test_an_earlier_range_begins_again(salvage):
    list(salvage.between(0, 4))
    assert [found for _, _, found in salvage.between(2, 3)] == [C]
    assert salvage.reads == 2


def test_the_end_lets_go_of_what_is_read():
    ended = []

    def read():
        try:
            yield A
            yield B
        finally:
            ended.append(True)

    salvage = Salvage(read)
    assert [found for _, _, found in salvage.between(0, 1)] == [A]
    assert ended == []
    salvage.close()
    assert ended == [True]
