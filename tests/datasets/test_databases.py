import numpy as np
import pytest

from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.errors import DataError
from caffelite.datasets import databases, progress
from caffelite.datasets.databases import is_complete, write_images

IMAGES = np.zeros((3, 1, 2, 2), np.uint8)


def test_writes_once(tmp_path):
    folder = tmp_path / "db"
    assert not is_complete(folder, 3)
    write_images(folder, IMAGES, [1, 2, 3], 5)
    assert is_complete(folder, 3)
    assert [key for key, _ in LmdbReader(folder).read(3)] == [b"00000", b"00001", b"00002"]
    inode = (folder / "data.mdb").stat().st_ino
    write_images(folder, IMAGES, [1, 2, 3], 5)
    assert (folder / "data.mdb").stat().st_ino == inode


def test_refuses_something_else(tmp_path):
    write_images(tmp_path / "db", IMAGES, [1, 2, 3], 5)
    with pytest.raises(DataError, match="holds 3 records instead of 4; delete it"):
        is_complete(tmp_path / "db", 4)
    with pytest.raises(DataError, match="is not an LMDB database"):
        is_complete(tmp_path, 4)


def test_one_that_another_program_made_meanwhile_is_used(tmp_path, monkeypatch):
    images = np.zeros((3, 1, 2, 2), np.uint8)

    def another_was_faster(folder, records):
        write_lmdb(folder, list(records))
        return write_lmdb(folder, [])

    monkeypatch.setattr(databases, "write_lmdb", another_was_faster)
    write_images(tmp_path / "db", images, [1, 2, 3], 5)
    assert LmdbReader(tmp_path / "db").entries == 3

    monkeypatch.setattr(databases, "write_lmdb", lambda folder, records: write_lmdb(folder, [(b"0", b"x")]))
    write_images(tmp_path / "other", images, [1, 2, 3], 5)
    with pytest.raises(DataError, match="holds 1 records instead of 3"):
        write_images(tmp_path / "other", images, [1, 2, 3], 5)


def test_a_disk_without_room_is_an_error_and_nothing_stays(small_disk):
    with pytest.raises(DataError, match="cannot write the LMDB database"):
        write_images(small_disk / "db", np.zeros((100, 1, 50, 50), np.uint8), range(100), 5)
    assert not list(small_disk.iterdir())


def test_writing_says_how_far_it_is(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(progress, "AGAIN", 0.0)
    caplog.set_level("INFO", "caffelite")
    write_images(tmp_path / "db", IMAGES, [1, 2, 3], 5)
    writing = f"Writing {tmp_path / 'db'}"
    assert caplog.messages == [f"{writing} (3 records)", *(f"{writing}: {done} of 3 records" for done in (1, 2, 3))]
