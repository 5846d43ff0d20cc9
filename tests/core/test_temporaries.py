import os
import signal
import subprocess
import sys
import threading

import pytest

from caffelite.core import temporaries
from caffelite.core.temporaries import NAME, new_file, new_folder, remove_leftovers

KILLED = """
import os, signal, sys
from pathlib import Path
from caffelite.core.temporaries import new_file, new_folder
with new_file(Path("a.caffemodel")), new_folder(Path("a_lmdb")) as folder:
    (folder / "data.mdb").touch()
    print("made", flush=True)
    sys.stdin.read() if sys.argv[1:] else os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_name_is_as_long_as_file_systems_take(tmp_path):
    with new_file(tmp_path / ("ä" * 120 + "\udcff")) as (path, descriptor):
        os.close(descriptor)
        assert len(os.fsencode(path.name)) <= 255
    assert os.listdir(tmp_path) == []


def test_what_is_renamed_is_not_removed(tmp_path):
    with new_file(tmp_path / "a") as (path, descriptor):
        os.close(descriptor)
        path.rename(tmp_path / "a")
    with new_folder(tmp_path / "above" / "b") as path:
        path.rename(tmp_path / "above" / "b")
    assert sorted(os.listdir(tmp_path)) == ["a", "above"]
    assert os.listdir(tmp_path / "above") == ["b"]


def test_files_and_links_of_others_are_never_opened(tmp_path, monkeypatch):
    tokens = iter(["00000000", "11111111", "22222222"])
    monkeypatch.setattr(temporaries.secrets, "token_hex", lambda size: next(tokens))
    (tmp_path / ".a.00000000.tmp").write_text("theirs")
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / ".a.11111111.tmp").symlink_to("theirs")
    for _ in range(2):
        with pytest.raises(FileExistsError), new_file(tmp_path / "a"):
            pass
    assert (tmp_path / ".a.00000000.tmp").read_text() == (tmp_path / "theirs").read_text() == "theirs"


def test_only_what_killed_programs_left_is_removed(tmp_path):
    def start(*words):
        command = [sys.executable, "-c", KILLED, *words]
        return subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    (tmp_path / ".a.txt.tmp").touch()
    with start() as killed:
        assert killed.wait() == -signal.SIGKILL
    with start("and live") as living:
        assert living.stdout.readline() == "made\n"
        remove_leftovers(tmp_path, lambda name: name.startswith("b"))
        assert len(os.listdir(tmp_path)) == 5
        remove_leftovers(tmp_path, lambda name: name.startswith("a"))
        left = set(os.listdir(tmp_path)) - {".a.txt.tmp"}
        assert sorted(NAME.fullmatch(name)["name"] for name in left) == ["a.caffemodel", "a_lmdb"]
        living.kill()
    remove_leftovers(tmp_path, lambda name: True)
    assert os.listdir(tmp_path) == [".a.txt.tmp"]
    remove_leftovers(tmp_path / "nowhere", lambda name: True)


def test_one_that_was_taken_for_a_leftover_is_made_again(tmp_path, monkeypatch):
    lock = temporaries.fcntl.flock
    removed = []

    def removed_before_the_lock(descriptor, operation):
        if not removed:
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()
        lock(descriptor, operation)

    monkeypatch.setattr(temporaries.fcntl, "flock", removed_before_the_lock)
    with new_file(tmp_path / "a") as (path, descriptor):
        os.close(descriptor)
        assert path.exists() and path != removed[0]


@pytest.mark.parametrize("new", [new_file, new_folder])
def test_an_interrupt_before_the_block_begins_leaves_nothing(tmp_path, monkeypatch, new):
    def interrupted(descriptor, operation):
        assert len(os.listdir(tmp_path)) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(temporaries.fcntl, "flock", interrupted)
    with pytest.raises(KeyboardInterrupt), new(tmp_path / "a"):
        pass
    assert os.listdir(tmp_path) == []


def test_threads_and_leftovers_do_not_meet(tmp_path):
    def work():
        for _ in range(200):
            with new_file(tmp_path / "a") as (path, descriptor):
                remove_leftovers(tmp_path, lambda name: True)
                path.rename(tmp_path / "a")
                os.close(descriptor)
            with new_folder(tmp_path / "b") as path:
                remove_leftovers(tmp_path, lambda name: True)
                assert path.is_dir()
            done.append(1)

    done = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 800
    assert os.listdir(tmp_path) == ["a"]
