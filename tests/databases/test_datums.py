import numpy as np
import pytest

from caffelite.core.data.datum import DatumReader, image_datum
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.databases.datums import Datums
from caffelite.databases.kinds import DatabaseKind

from .conftest import an_image


@pytest.fixture
def opened():
    """Open a database: opened(path) -> Datums, closed with the test."""
    found = []

    def open_one(path, *reader):
        found.append(Datums(path, DatabaseKind.LMDB, *reader))
        return found[-1]

    yield open_one
    for datums in found:
        datums.close()


def all_of(datums, start=0, stop=None, **how):
    return [record for part in datums.portions(start, stop or datums.count, **how) for record in part]


def test_forms_labels_and_problems(mixed, opened):
    records = all_of(opened(mixed))
    assert [(record.place, record.key) for record in records] == [(number, f"{number}_a") for number in range(6)]
    assert [record.form for record in records] == ["uint8", "PNG", "JPEG", "", "", "uint8"]
    assert [record.shape for record in records] == [(3, 6, 8)] * 3 + [()] * 2 + [(3, 5, 8)]
    assert [record.labels for record in records] == [(0,), (1,), (2,), (), (), (5,)]
    assert records[3].problem == "it is not a Datum"
    assert records[4].problem.startswith("Could not decode datum")
    assert records[0].pixels is None


def test_several_labels(tmp_path, opened):
    values = [(b"%d" % number, image_datum(an_image(number), (number, 0.5))) for number in range(3)]
    write_lmdb(tmp_path / "db", values)
    assert [record.labels for record in all_of(opened(tmp_path / "db"))] == [(0, 0.5), (1, 0.5), (2, 0.5)]


def test_pixels(mixed, opened):
    records = all_of(opened(mixed), pixels=True)
    for record, number in ((records[0], 0), (records[1], 1)):
        assert np.array_equal(record.pixels, an_image(number).transpose(2, 0, 1))


def test_channels_as_a_net_forces_them(mixed, opened):
    datums = opened(mixed, DatumReader("mixed", force_gray=True))
    assert all_of(datums, 1, 2)[0].shape == (1, 6, 8)


def test_a_part_of_many(large, opened):
    records = all_of(opened(large), 1234, 2500)
    assert [record.place for record in records] == list(range(1234, 2500))
    assert [record.labels[0] for record in records] == [place % 7 for place in range(1234, 2500)]


def test_damaged_pages_are_passed_over(damaged, opened):
    records = all_of(opened(damaged))
    bad = [record for record in records if record.problem]
    good = [int(record.key) for record in records if not record.problem]
    assert [record.number for record in bad] == [0, 0] and "is not the leaf page" in bad[0].problem
    lost = sorted(set(range(3000)) - set(good))
    assert 10 < len(lost) < 60 and lost == list(range(lost[0], lost[-1] + 1)) and good == sorted(good)
    assert [record.key for record in bad] == [f'records after "{lost[0] - 1:05}"'] * 2
    assert [record.place for record in records if not record.problem] == list(range(len(good)))
