import os
import sys

import pytest

from caffelite.core.data.backends import open_records
from caffelite.core.data.lmdb_writer import DatabaseExistsError
from caffelite.core.errors import DataError, UsageError
from caffelite.tools.backend import creating_database, require_backend, require_new


def test_kinds_of_databases(monkeypatch):
    require_backend("lmdb")
    require_backend("leveldb")
    require_backend("hdf5", "hdf5")
    with pytest.raises(UsageError, match='Unknown database backend "rocksdb"; use lmdb or leveldb$'):
        require_backend("rocksdb")
    monkeypatch.setitem(sys.modules, "plyvel", None)
    monkeypatch.setitem(sys.modules, "plyvel_next", None)
    require_backend("lmdb")
    with pytest.raises(DataError, match="caffelite\\[leveldb\\]"):
        require_backend("leveldb")


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_a_database_of_each_kind(tmp_path, backend):
    with creating_database(tmp_path / "db", backend) as writer:
        writer.put(b"b", b"2")
        writer.put(b"a", b"1")
    assert writer.count == 2
    assert open_records(tmp_path / "db", backend).read(2) == [(b"a", b"1"), (b"b", b"2")]


def records(count):
    return ((b"%05d" % index, b"x" * 100) for index in range(count))


def write(folder, backend, written):
    with creating_database(folder, backend) as writer:
        for key, value in written:
            writer.put(key, value)


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_leaves_nothing_when_the_records_fail(tmp_path, backend):
    def failing():
        yield from records(1500)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write(tmp_path / "db", backend, failing())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("backend", "name", "file"), [("lmdb", "LMDB", "data.mdb"), ("leveldb", "LevelDB", "CURRENT")])
def test_one_that_is_there_stays_and_leftovers_of_killed_makers_go(tmp_path, backend, name, file):
    leftover = tmp_path / ".db.0123abcd.tmp"
    leftover.mkdir()
    (leftover / file).touch()
    write(tmp_path / "db", backend, records(3))
    with pytest.raises(DatabaseExistsError, match=f"cannot write the {name} database .*db: it is already there"):
        write(tmp_path / "db", backend, records(5))
    assert open_records(tmp_path / "db", backend).count() == 3
    assert os.listdir(tmp_path) == ["db"]


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_several_at_once(tmp_path, backend):
    with creating_database(tmp_path / "a", backend) as a, creating_database(tmp_path / "b", backend) as b:
        for key, value in records(3):
            a.put(key, value)
            b.put(value[:5], key)
    assert open_records(tmp_path / "a", backend).count() == a.count == 3
    assert open_records(tmp_path / "b", backend).read(1) == [(b"xxxxx", b"00002")]


@pytest.mark.parametrize(("backend", "name"), [("lmdb", "LMDB"), ("leveldb", "LevelDB")])
def test_a_folder_that_cannot_be_made(tmp_path, backend, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=rf"cannot write the {name} database .*file/db: .*Not a directory"):
        write(tmp_path / "file" / "db", backend, records(1))


@pytest.mark.parametrize("make", ["mkdir", "touch"])
def test_a_new_database_has_a_new_name(tmp_path, make):
    require_new(tmp_path / "db")
    getattr(tmp_path / "db", make)()
    with pytest.raises(DataError, match="mkdir .*db failed: it is already there"):
        require_new(tmp_path / "db")


def test_a_name_that_cannot_be_looked_at(tmp_path):
    with pytest.raises(UsageError, match="it cannot be looked at"):
        require_new(tmp_path / ("x" * 300))
