import errno
import fcntl
import os
import threading

import numpy as np
import pytest

from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import DataError
from caffelite.datasets.databases import is_complete, only_maker, write_images

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


def test_makers_in_one_folder_wait_for_each_other(tmp_path, caplog):
    folder = tmp_path / "data" / "sets"
    made = []

    def make():
        with only_maker(folder, ["db"]):
            made.append(is_complete(folder / "db", 3))
            write_images(folder / "db", IMAGES, [1, 2, 3], 5)

    threads = [threading.Thread(target=make) for _ in range(4)]
    with caplog.at_level("INFO", "caffelite"), only_maker(folder, ["db"]):
        for thread in threads:
            thread.start()
        while caplog.text.count("waiting for it") < 4:
            threads[0].join(0.01)
        assert not made
    for thread in threads:
        thread.join()
    assert made == [False, True, True, True]
    assert os.listdir(folder) == ["db"]


@pytest.fixture
def no_locks(monkeypatch):
    """What follows runs as on a file system without locks."""

    def flock(descriptor, operation):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_without_locks_the_database_of_the_quicker_maker_is_used(tmp_path, no_locks):
    def slowly():
        yield 1
        write_images(tmp_path / "db", IMAGES, [4, 5, 6], 5)
        yield from (2, 3)

    with only_maker(tmp_path, ["db"]):
        write_images(tmp_path / "db", IMAGES, slowly(), 5)
    assert is_complete(tmp_path / "db", 3)
    assert os.listdir(tmp_path) == ["db"]


def test_a_database_that_cannot_be_written_is_an_error(small_disk):
    with pytest.raises(DataError, match="cannot write the LMDB database"):
        write_images(small_disk / "db", np.zeros((100, 1, 50, 50), np.uint8), range(100), 5)


def unfinished(folder):
    for name in (".db-0123abcd", ".other-0123abcd", ".db-notes"):
        (folder / name).mkdir()
        (folder / name / "data.mdb").touch()


def test_what_killed_makers_left_is_removed(tmp_path):
    unfinished(tmp_path)
    (tmp_path / ".db-89abcdef").symlink_to(".other-0123abcd")
    with only_maker(tmp_path, ["db"]):
        assert sorted(os.listdir(tmp_path)) == [".db-89abcdef", ".db-notes", ".other-0123abcd"]
    assert os.listdir(tmp_path / ".other-0123abcd") == ["data.mdb"]


def test_what_living_makers_may_write_stays(tmp_path, no_locks):
    unfinished(tmp_path)
    with only_maker(tmp_path, ["db"]):
        assert len(os.listdir(tmp_path)) == 3


def test_a_folder_that_cannot_be_made(tmp_path, read_only_disk):
    (tmp_path / "file").touch()
    for path, reason in ((tmp_path / "file", "File exists"), (read_only_disk / "x", "Read-only file system")):
        with pytest.raises(DataError, match=f"cannot make the folder .*: {reason}"), only_maker(path, ["db"]):
            pass


def test_a_folder_that_can_only_be_read_may_hold_what_is_there(tmp_path, read_only_disk):
    with only_maker(read_only_disk, ["db"]):
        pass
