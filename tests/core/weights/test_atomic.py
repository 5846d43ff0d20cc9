import errno
import os
import resource

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


def test_the_prefix_check_leaves_the_users_files_alone(tmp_path):
    (tmp_path / "notes").write_bytes(b"keep")
    (tmp_path / "a.tempfile").symlink_to("notes")
    (tmp_path / "b.tempfile").write_bytes(b"keep")
    for name in "ab":
        check_writable(tmp_path / name)
    assert (tmp_path / "a.tempfile").read_bytes() == (tmp_path / "b.tempfile").read_bytes() == b"keep"
    assert len(os.listdir(tmp_path)) == 3


@pytest.mark.parametrize("name", ["x" * 300, "folder/" * 1000 + "x"])
def test_the_prefix_check_finds_names_that_are_too_long(tmp_path, name):
    with pytest.raises(WeightsError, match="File name too long"):
        check_writable(tmp_path / name)


def test_a_disk_that_can_only_be_read_is_named(read_only_disk):
    with pytest.raises(WeightsError, match="Read-only file system"):
        check_writable(read_only_disk / "x")
    with pytest.raises(WeightsError, match="Read-only file system; nothing was changed"):
        with replacing(read_only_disk / "x"):
            pass


def test_what_killed_processes_left_of_the_file_is_removed(tmp_path):
    for name in (".a.99.tmp", ".b.99.tmp"):
        (tmp_path / name).touch()
    with replacing(tmp_path / "a"):
        pass
    assert sorted(os.listdir(tmp_path)) == [".b.99.tmp", "a"]
