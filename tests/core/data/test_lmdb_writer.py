import os

import pytest

from caffelite.core.data import lmdb_writer
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import DatabaseExistsError, write_lmdb
from caffelite.core.errors import DataError


def records(count):
    return ((b"%05d" % index, b"x" * 100) for index in range(count))


def test_makes_the_folders_above(tmp_path):
    assert write_lmdb(tmp_path / "new" / "db", records(2500)) == 2500
    assert LmdbReader(tmp_path / "new" / "db").entries == 2500
    assert os.listdir(tmp_path / "new") == ["db"]


def test_the_map_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(lmdb_writer, "FIRST_MAP_SIZE", 1 << 16)
    write_lmdb(tmp_path / "db", records(5000))
    found = LmdbReader(tmp_path / "db").read(5000)
    assert found == list(records(5000))


def test_leaves_nothing_when_the_records_fail(tmp_path):
    def failing():
        yield from records(1500)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_lmdb(tmp_path / "db", failing())
    assert os.listdir(tmp_path) == []


def test_does_not_replace_a_database(tmp_path):
    write_lmdb(tmp_path / "db", records(3))
    with pytest.raises(DataError, match="cannot write the LMDB database .*db: "):
        write_lmdb(tmp_path / "db", records(5))
    assert LmdbReader(tmp_path / "db").entries == 3
    assert os.listdir(tmp_path) == ["db"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write the LMDB database .*file/db: .*Not a directory"):
        write_lmdb(tmp_path / "file" / "db", records(1))


def test_one_that_is_there_stays_and_leftovers_of_killed_makers_go(tmp_path):
    leftover = tmp_path / ".db.0123abcd.tmp"
    leftover.mkdir()
    (leftover / "data.mdb").touch()
    write_lmdb(tmp_path / "db", records(3))
    with pytest.raises(DatabaseExistsError, match="db: it is already there"):
        write_lmdb(tmp_path / "db", records(5))
    assert LmdbReader(tmp_path / "db").entries == 3
    assert os.listdir(tmp_path) == ["db"]
