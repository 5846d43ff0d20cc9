import pytest

from caffelite.core.data.backends import backend_of, open_records
from caffelite.core.data.leveldb_writer import write_leveldb
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.errors import DataError

WRITERS = {"lmdb": write_lmdb, "leveldb": write_leveldb}


@pytest.mark.parametrize("backend", WRITERS)
def test_each_kind_is_known_by_its_files(tmp_path, backend):
    WRITERS[backend](tmp_path / "db", [(b"b", b"2"), (b"a", b"1")])
    assert backend_of(tmp_path / "db") == backend
    reader = open_records(tmp_path / "db", backend)
    assert reader.count() == 2
    assert reader.read(3) == [(b"a", b"1"), (b"b", b"2"), (b"a", b"1")]


def test_what_is_of_the_other_kind(tmp_path):
    write_lmdb(tmp_path / "lmdb", [(b"a", b"1")])
    write_leveldb(tmp_path / "leveldb", [(b"a", b"1")])
    with pytest.raises(DataError, match="leveldb is not an LMDB but a LevelDB folder"):
        open_records(tmp_path / "leveldb", "lmdb")
    with pytest.raises(DataError, match="lmdb is not a LevelDB but an LMDB folder"):
        open_records(tmp_path / "lmdb", "leveldb")


def test_what_is_none(tmp_path):
    assert backend_of(tmp_path) == ""
    with pytest.raises(DataError, match="is not an LMDB database"):
        open_records(tmp_path, "lmdb")
    with pytest.raises(DataError, match="is not a LevelDB database"):
        open_records(tmp_path, "leveldb")
