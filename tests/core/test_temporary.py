import errno
import fcntl
import os
import subprocess
import sys
import threading

import pytest

from caffelite.core import temporary
from caffelite.core.temporary import create, remove_abandoned, replacing


def names(folder):
    return sorted(os.listdir(folder))


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a"
    with replacing(path, mode=0o640) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a"]
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_full_disk_leaves_no_unfinished_file(full_disk):
    before = names(full_disk)
    with pytest.raises(OSError, match="No space left"), replacing(full_disk / "a", sync=False) as file:
        file.write(bytes(100_000))
    assert names(full_disk) == before


def test_threads_that_write_one_file_do_not_meet(tmp_path):
    failed = []

    def write(number):
        try:
            for _ in range(20):
                with replacing(tmp_path / "a", sync=False) as file:
                    file.write(bytes([number]) * 5000)
                remove_abandoned(tmp_path)
        except OSError as err:
            failed.append(err)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(set((tmp_path / "a").read_bytes())) == 1
    assert names(tmp_path) == ["a"]


def test_a_link_planted_under_the_name_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "users").write_bytes(b"keep")
    (tmp_path / f".a.0123abcd.{os.getpid()}.tmp").symlink_to("users")
    monkeypatch.setattr(temporary.secrets, "token_hex", lambda count: "0123abcd")
    with pytest.raises(FileExistsError):
        create(tmp_path / "a")
    assert (tmp_path / "users").read_bytes() == b"keep"


KILLED = """
import os, pathlib, signal, sys
from caffelite.core.temporary import create
path, file = create(pathlib.Path(sys.argv[1]))
file.write(b"half")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_files_of_killed_writers_are_removed_and_those_of_living_ones_stay(tmp_path):
    for name in ("a.caffemodel", "b.caffemodel"):
        subprocess.run([sys.executable, "-c", KILLED, tmp_path / name])
    (tmp_path / ".a.tmp").touch()
    (tmp_path / ".a.99999999999999999999.tmp").touch()  # no process has this number
    living, file = create(tmp_path / "a.caffemodel")
    with file:
        assert len(names(tmp_path)) == 5
        remove_abandoned(tmp_path, "a")
        left = names(tmp_path)
        assert len(left) == 4 and living.name in left
        assert {".a.tmp", ".a.99999999999999999999.tmp"} < set(left)
        assert any(name.startswith(".b.caffemodel.") for name in left)
    remove_abandoned(tmp_path)
    assert names(tmp_path) == [".a.99999999999999999999.tmp", ".a.tmp"]


def test_links_and_what_cannot_be_removed_stay(tmp_path, small_disk):
    (tmp_path / "users").write_bytes(b"keep")
    (tmp_path / ".a.99.tmp").symlink_to("users")
    remove_abandoned(tmp_path)
    assert (tmp_path / ".a.99.tmp").read_bytes() == b"keep"
    (small_disk / ".a.99.tmp").touch()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    remove_abandoned(small_disk)
    assert names(small_disk) == [".a.99.tmp"]
    remove_abandoned(tmp_path / "missing")


def test_without_locks_a_file_is_abandoned_when_its_process_ended(tmp_path, monkeypatch):
    def without_locks(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", without_locks)
    ended = subprocess.Popen(["true"])
    ended.wait()
    kept = [f".a.{pid}.tmp" for pid in (os.getpid(), os.getppid())]
    for name in (*kept, f".a.{ended.pid}.tmp"):
        (tmp_path / name).touch()
    living, file = create(tmp_path / "a")
    with file:
        remove_abandoned(tmp_path)
    assert names(tmp_path) == sorted([*kept, living.name])


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\udcff"])
def test_names_as_long_as_they_can_be(tmp_path, letter):
    path = tmp_path / (letter * (255 // len(os.fsencode(letter))))
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    (tmp_path / f".{temporary._start(path.name)}.0123abcd.99.tmp").touch()
    remove_abandoned(tmp_path, path.name)
    assert len(names(tmp_path)) == 1
