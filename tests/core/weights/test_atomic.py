import errno
import os
import resource
import threading
from pathlib import Path

import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.weights.atomic import check_writable, replacing


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a.caffemodel"
    with replacing(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.caffemodel"]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(WeightsError, match=r"cannot write .*a: No space left on device; nothing was changed"):
        with replacing(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_that_may_not_grow_further_leaves_the_old_one(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(WeightsError, match="File too large; nothing was changed"), replacing(path) as file:
            file.write(bytes(200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"there is no folder .*missing; nothing"), replacing(tmp_path / "missing/a"):
        pass


def test_a_folder_or_device_is_not_replaced(tmp_path):
    for path in (tmp_path, os.devnull):
        with pytest.raises(WeightsError, match="it is not a file"), replacing(path):
            pass


def test_what_a_link_points_to_is_replaced(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_the_prefix_check_makes_the_folder_and_leaves_no_file(tmp_path):
    check_writable(tmp_path / "snapshots" / "lenet_iter_0")
    assert os.listdir(tmp_path / "snapshots") == []


def test_the_prefix_check_says_what_is_wrong(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        WeightsError, match=r"Cannot write to snapshot prefix '.*file/x'\.  Make sure that the directory"
    ):
        check_writable(tmp_path / "file" / "x")


def test_the_prefix_check_takes_no_file_of_the_users(tmp_path):
    (tmp_path / "a_iter_0.tempfile").write_text("mine")
    (tmp_path / "a_iter_0.solverstate").symlink_to("a_iter_0.tempfile")
    check_writable(tmp_path / "a_iter_0")
    assert (tmp_path / "a_iter_0.tempfile").read_text() == (tmp_path / "a_iter_0.solverstate").read_text() == "mine"


def test_threads_that_save_to_one_path_end_with_one_whole_file(tmp_path):
    def save(letter):
        for _ in range(50):
            with replacing(tmp_path / "a") as file:
                file.write(letter * 100_000)
        saved.append(letter)

    saved = []
    threads = [threading.Thread(target=save, args=(letter,)) for letter in (b"x", b"y", b"z")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(saved) == 3
    assert len(set((tmp_path / "a").read_bytes())) == 1 and (tmp_path / "a").stat().st_size == 100_000
    assert os.listdir(tmp_path) == ["a"]


def test_a_disk_that_became_read_only_leaves_its_own_error(tmp_path, monkeypatch):
    def refuse(*arguments, **more):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with pytest.raises(WeightsError, match="Read-only file system; nothing was changed"), replacing(tmp_path / "a"):
        monkeypatch.setattr(os, "replace", refuse)
        monkeypatch.setattr(Path, "unlink", refuse)


def test_a_disk_that_can_only_be_read_is_named(read_only_disk):
    with pytest.raises(WeightsError, match="Read-only file system"):
        check_writable(read_only_disk / "x")
    with pytest.raises(WeightsError, match="Read-only file system; nothing was changed"):
        with replacing(read_only_disk / "x"):
            pass


def test_what_killed_programs_left_of_the_file_is_removed(tmp_path):
    for name in (".a.0123abcd.tmp", ".b.0123abcd.tmp"):
        (tmp_path / name).touch()
    with replacing(tmp_path / "a"):
        pass
    assert sorted(os.listdir(tmp_path)) == [".b.0123abcd.tmp", "a"]
