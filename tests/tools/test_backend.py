import sys

import pytest

from caffelite.core.data.backends import open_records
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


@pytest.mark.parametrize("make", ["mkdir", "touch"])
def test_a_new_database_has_a_new_name(tmp_path, make):
    require_new(tmp_path / "db")
    getattr(tmp_path / "db", make)()
    with pytest.raises(DataError, match="mkdir .*db failed: it is already there"):
        require_new(tmp_path / "db")


def test_a_name_that_cannot_be_looked_at(tmp_path):
    with pytest.raises(UsageError, match="it cannot be looked at"):
        require_new(tmp_path / ("x" * 300))
