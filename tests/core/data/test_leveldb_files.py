import shutil

import pytest

from caffelite.core.data.leveldb_files import files_of, looks_like_leveldb
from caffelite.core.errors import DataError

TABLE, LOG, MANIFEST = "000005.ldb", "000012.log", "MANIFEST-000011"


@pytest.fixture
def database(golden_folder, tmp_path):
    """A copy of one of Caffe's that may be changed."""
    folder = tmp_path / "db"
    folder.mkdir()
    for path in (golden_folder / "data" / "gray_leveldb").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_the_files_of_caffes(database):
    (database / "000004.log").write_bytes(b"left over")
    (database / "000003.ldb").write_bytes(b"left over")
    assert files_of(database) == (MANIFEST, [TABLE], [LOG])
    (database / TABLE).rename(database / "000005.sst")
    assert files_of(database).tables == ["000005.sst"]


def test_what_looks_like_one(database, tmp_path):
    assert looks_like_leveldb(database)
    (tmp_path / "other").mkdir()
    assert not looks_like_leveldb(tmp_path / "other")
    assert not looks_like_leveldb(tmp_path / "none")
    (tmp_path / "other" / MANIFEST).touch()
    assert looks_like_leveldb(tmp_path / "other")


def with_bytes(path, start, new):
    data = bytearray(path.read_bytes())
    data[start : start + len(new) if start >= 0 else len(data) + start + len(new)] = new
    path.write_bytes(data)


HUGE = b"\xff" * 8 + b"\x01"  # a number of LevelDB's


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda db: (db / "CURRENT").unlink(), "is not whole: .*CURRENT: No such file"),
        (lambda db: (db / "CURRENT").write_bytes(b""), "CURRENT should name a MANIFEST"),
        (lambda db: (db / "CURRENT").write_bytes(b"MANIFEST-../11\n"), "CURRENT should name a MANIFEST"),
        (lambda db: (db / MANIFEST).unlink(), "is not whole: .*MANIFEST-000011: No such file"),
        (lambda db: (db / MANIFEST).write_bytes(b""), "MANIFEST-000011 holds nothing"),
        (lambda db: (db / MANIFEST).write_bytes(bytes(112)), "MANIFEST-000011: there is no record .* at byte 0"),
        (lambda db: (db / MANIFEST).write_bytes((db / MANIFEST).read_bytes()[:90]), "MANIFEST-000011: it ends within"),
        (lambda db: with_bytes(db / MANIFEST, 7, b"\x63"), "MANIFEST-000011 does not read as one"),
        (lambda db: with_bytes(db / MANIFEST, 8, b"\x7f"), "MANIFEST-000011 does not read as one"),
        (lambda db: (db / TABLE).unlink(), "000005.ldb is missing"),
        (lambda db: (db / TABLE).write_bytes(b""), "000005.ldb has 0 bytes and not 3213"),
        (lambda db: with_bytes(db / TABLE, -48, HUGE), "000005.ldb does not end as a table"),
        (lambda db: with_bytes(db / TABLE, -8, b"x"), "000005.ldb does not end as a table"),
        (lambda db: (db / LOG).unlink(), "000012.log is missing: LevelDB keeps records in such files"),
        (lambda db: (db / LOG).write_bytes(bytes(9)), "000012.log: there is no record .*; its writer was killed"),
    ],
)
def test_what_is_damaged(database, damage, message):
    damage(database)
    with pytest.raises(DataError, match=message) as caught:
        files_of(database)
    assert str(caught.value).startswith(f"the LevelDB database {database} is ")


def test_what_is_none(database, tmp_path):
    with pytest.raises(DataError, match="none is not whole: .*CURRENT: No such file"):
        files_of(tmp_path / "none")
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="other is not a LevelDB database: that is a folder with a file CURRENT in it"):
        files_of(tmp_path / "other")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file is not a LevelDB database"):
        files_of(tmp_path / "file")
    (database / "OPTIONS-000007").touch()
    with pytest.raises(DataError, match="db is a RocksDB database, which LevelDB cannot read: make it again"):
        files_of(database)
    shutil.rmtree(database)
    (database / "CURRENT").mkdir(parents=True)
    with pytest.raises(DataError, match="cannot open the LevelDB database .*db: .*CURRENT"):
        files_of(database)
