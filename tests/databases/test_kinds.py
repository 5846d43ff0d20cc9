import pytest

from caffelite.core.errors import DataError
from caffelite.databases.kinds import DatabaseKind, kind_of_database, record_reader


def test_kinds(mixed, rows, tmp_path):
    assert kind_of_database(mixed) is DatabaseKind.LMDB
    assert kind_of_database(rows("a.h5", 3)) is DatabaseKind.HDF5
    (tmp_path / "list.txt").write_text("a.h5\n")
    assert kind_of_database(tmp_path / "list.txt") is DatabaseKind.HDF5
    (tmp_path / "gaps.txt").write_text("missing.h5\na.h5\n")
    assert kind_of_database(tmp_path / "gaps.txt") is DatabaseKind.HDF5
    (tmp_path / "level").mkdir()
    (tmp_path / "level" / "CURRENT").write_text("MANIFEST-000001\n")
    assert kind_of_database(tmp_path / "level") is DatabaseKind.LEVELDB


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "there is no database .*nowhere"),
        ("", "is a folder without a database: LMDB has a file data.mdb in it"),
        ("words.txt", "is no HDF5 file and no list of such files"),
        ("empty.h5", "empty.h5 is empty: it has 0 bytes"),
        ("list.txt", 'looks like a list of HDF5 files, but names none that is there and is one: "none.h5" is look'),
        ("mixed_lmdb/data.mdb", "is a file inside a database; give the folder, .*mixed_lmdb"),
    ],
)
def test_what_is_none(mixed, tmp_path, name, message):
    (tmp_path / "words.txt").write_text("some words")
    (tmp_path / "empty.h5").touch()
    (tmp_path / "list.txt").write_text("none.h5\nnor.h5\n")
    with pytest.raises(DataError, match=message):
        kind_of_database(tmp_path / name)


def test_a_reader_with_its_count(mixed):
    reader, count = record_reader(mixed, DatabaseKind.LMDB)
    reader.seek(2)
    assert count == 6 and [key for key, _ in reader.read(2)] == [b"2_a", b"3_a"]
