import os
import random
import subprocess
import sys
import warnings

import pytest

from caffelite.core.kernels.jit import cache
from caffelite.core.temporaries import new_file

KEY = ("float32",)


@pytest.fixture
def chosen_folder(tmp_path, monkeypatch):
    """Use another folder: chosen_folder(path) lets NUMBA_CACHE_DIR be `path` and returns what cache_folder() gives."""

    def choose(path):
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(path))
        cache.cache_folder.cache_clear()
        return cache.cache_folder()

    yield choose
    cache.cache_folder.cache_clear()


def files_of(folder, stamp="text"):
    return cache.FileForEachKey(str(folder), "f", stamp)


def stored_file(folder):
    """Save one kernel and return its file."""
    files_of(folder).save(KEY, b"machine code")
    (path,) = folder.glob("*.nbc")
    return path


def test_each_signature_has_a_file_of_its_own_that_is_used_while_the_source_is_the_same(tmp_path):
    files = files_of(tmp_path)
    files.save(("float32",), b"1")
    files.save(("float64",), b"2")
    assert len(list(tmp_path.iterdir())) == 2
    assert (files.load(("float32",)), files.load(("float64",)), files.load(("int64",))) == (b"1", b"2", None)
    assert files_of(tmp_path, "text 2").load(("float32",)) is None


def test_other_sources_do_not_take_the_file_away_and_the_oldest_go(tmp_path):
    for number in range(cache.KEPT + 2):
        files_of(tmp_path, f"text {number}").save(KEY, b"%d" % number)
        os.utime(files_of(tmp_path, f"text {number}")._path(KEY), ns=(number, number))
    files_of(tmp_path, "text 9").save(("float64",), b"9")
    found = [files_of(tmp_path, f"text {number}").load(KEY) for number in range(cache.KEPT + 2)]
    assert found == [None, None, *(b"%d" % number for number in range(2, cache.KEPT + 2))]
    assert len(list(tmp_path.iterdir())) == cache.KEPT + 1


def test_a_function_among_the_arguments_is_not_known_by_its_address(tmp_path):
    files = files_of(tmp_path)
    assert files._path("<function g at 0x7f001>") == files._path("<function g at 0x7f002>")


# A folder that cannot keep kernels costs a warning, not the run.


def test_a_folder_that_cannot_be_made(tmp_path, chosen_folder):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="kernels are compiled anew in every run: .* cannot keep them"):
        assert chosen_folder(tmp_path / "file") is None


def test_a_folder_on_a_disk_that_can_only_be_read(read_only_disk, chosen_folder):
    with pytest.warns(UserWarning, match="cannot keep them .*Read-only file system"):
        assert chosen_folder(read_only_disk) is None


def test_a_disk_without_room_for_the_folder(small_disk, chosen_folder):
    for number in range(15):
        (small_disk / str(number)).touch()
    with pytest.warns(UserWarning, match="cannot keep them .*No space left on device"):
        assert chosen_folder(small_disk) is None


@pytest.mark.parametrize(
    "variables",
    [{}, {"HOME": ""}, {"NUMBA_CACHE_DIR": "~/mine"}, {"XDG_CACHE_HOME": "~/mine"}, {"XDG_CACHE_HOME": "mine"}],
)
def test_a_user_without_a_home_folder(tmp_path, monkeypatch, variables):
    monkeypatch.chdir(tmp_path)
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if "HOME" not in variables:
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # its answer where there is none
    cache.cache_folder.cache_clear()
    with pytest.warns(UserWarning, match="no home folder"):
        assert cache.cache_folder() is None
    cache.cache_folder.cache_clear()
    assert not list(tmp_path.iterdir())


def test_a_home_that_no_shell_has_filled_in(tmp_path, monkeypatch, chosen_folder):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert chosen_folder("~/mine") == tmp_path / "home" / "mine" / "caffelite" / "kernels"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_full_disk_costs_one_warning_and_leaves_no_file(full_disk):
    left = list(full_disk.iterdir())
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for number in range(3):
            files_of(full_disk).save((number,), bytes(5000))
    assert [str(warning.message) for warning in found] == [
        f"kernels will be compiled anew: {full_disk} cannot keep them (No space left on device)"
    ]
    assert list(full_disk.iterdir()) == left


def test_a_folder_that_was_removed_meanwhile(tmp_path):
    with pytest.warns(UserWarning, match="cannot keep them .*No such file"):
        files_of(tmp_path / "removed").save(KEY, b"1")


def test_what_killed_processes_left_unfinished_is_removed(tmp_path, chosen_folder):
    folder = tmp_path / "caffelite" / "kernels"
    folder.mkdir(0o700, parents=True)
    (folder / ".f.nbc.0123abcd.tmp").write_bytes(b"half")
    with new_file(folder / "f.nbc") as (living, descriptor):
        assert chosen_folder(tmp_path) == folder
        assert list(folder.iterdir()) == [living]
        os.close(descriptor)


COMPILE = """
import resource, numpy as np
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
{before}

@kernel
def plus_one(x):
    return x + 1

@parallel_kernel
def add_ones(values, worker, workers):
    for i in range(values.size * worker // workers, values.size * (worker + 1) // workers):
        values[i] = plus_one(values[i])

values = np.zeros(3)
add_ones(values)
add_ones.serial(values)
print(*values, plus_one(1))
"""


def compiled(folder, cache_home, before=""):
    """Compile and run kernels in a process of its own; returns how many warnings it gave."""
    (folder / "kernels_of_test.py").write_text(COMPILE.format(before=before))
    variables = os.environ | {"NUMBA_CACHE_DIR": str(cache_home), "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", "import kernels_of_test"], cwd=folder, env=variables, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "2.0 2.0 2.0 2\n"), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.count("UserWarning: ")


def test_kernels_run_where_none_can_be_kept(tmp_path, full_disk):
    (full_disk / "filling").rename(full_disk / "caffelite")  # makes room for no folder either
    assert compiled(tmp_path, full_disk) == 1


def test_kernels_run_where_files_must_be_small(tmp_path):
    before = "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    assert compiled(tmp_path, tmp_path / "cache", before) == 1
    assert not list((tmp_path / "cache" / "caffelite" / "kernels").iterdir())


def test_kernels_run_where_the_folder_was_removed(tmp_path):
    before = f"""
import shutil
from caffelite.core.kernels.jit.cache import cache_folder
cache_folder()
shutil.rmtree({str(tmp_path / "cache")!r})"""
    assert compiled(tmp_path, tmp_path / "cache", before) == 1


# What another user can have written does not run.


def test_a_folder_that_others_can_write_is_closed_to_them_and_emptied(tmp_path, chosen_folder):
    folder = tmp_path / "caffelite" / "kernels"
    folder.mkdir(parents=True)
    path = stored_file(folder)
    (folder / "notes").write_text("the user's")
    folder.chmod(0o777)
    with pytest.warns(UserWarning, match="could be written by other users: its compiled kernels were removed"):
        assert chosen_folder(tmp_path) == folder
    assert folder.stat().st_mode & 0o077 == 0
    assert not path.exists()
    assert (folder / "notes").exists()


def test_a_new_folder_is_the_users_alone(tmp_path, chosen_folder):
    before = os.umask(0)
    try:
        folder = chosen_folder(tmp_path)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert stored_file(folder).stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_not_loaded_but_replaced(tmp_path, mode):
    path = stored_file(tmp_path)
    path.chmod(mode)
    with pytest.warns(UserWarning, match="can have been written by another user"):
        assert files_of(tmp_path).load(KEY) is None
    stored_file(tmp_path)
    assert files_of(tmp_path).load(KEY) == b"machine code"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_file_or_folder_of_another_user_is_not_used(tmp_path, chosen_folder):
    path = stored_file(tmp_path)
    os.chown(path, 12345, -1)
    with pytest.warns(UserWarning, match="can have been written by another user"):
        assert files_of(tmp_path).load(KEY) is None
    folder = tmp_path / "caffelite" / "kernels"
    folder.mkdir(0o700, parents=True)
    os.chown(folder, 12345, -1)
    with pytest.warns(UserWarning, match="cannot keep them .it belongs to another user"):
        assert chosen_folder(tmp_path) is None


def test_only_a_file_under_its_own_name_is_loaded(tmp_path):
    path = stored_file(tmp_path)
    code = path.read_bytes()
    files = files_of(tmp_path)
    other = files._path(("float64",))
    os.link(path, other)
    assert files.load(("float64",)) is None
    (tmp_path / "elsewhere").write_bytes(code)
    for make in (lambda: path.symlink_to("elsewhere"), path.mkdir, lambda: os.mkfifo(path)):
        path.rmdir() if path.is_dir() else path.unlink()
        make()
        assert files.load(KEY) is None


# A damaged file is compiled anew.


def damaged(content, rng):
    """Return `content` with one kind of damage, which changes at least one byte."""
    kind = rng.randrange(4)
    place = rng.randrange(len(content))
    length = rng.randrange(1, 4097)
    if kind == 0:
        flipped = content[place] ^ (1 << rng.randrange(8))
        return content[:place] + bytes([flipped]) + content[place + 1 :]
    if kind == 1:
        return content[:place]
    if kind == 2:
        return content[:place] + bytes(len(content[place : place + length])) + content[place + length :]
    return content + rng.randbytes(length)


def test_no_damage_is_loaded(tmp_path):
    rng = random.Random(1)
    data = rng.randbytes(2000)
    files = files_of(tmp_path)
    files.save(KEY, data)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    for _ in range(300):
        path.write_bytes(damaged(content, rng))
        assert files.load(KEY) is None or path.read_bytes() == content
    path.write_bytes(content)
    assert files.load(KEY) == data


@pytest.mark.slow
def test_damaged_machine_code_is_compiled_anew(tmp_path):
    rng = random.Random(2)
    assert compiled(tmp_path, tmp_path / "cache") == 0
    stored = {path: path.read_bytes() for path in (tmp_path / "cache").rglob("*.nbc")}
    assert len(stored) >= 3
    for _ in range(10):
        for path, content in stored.items():
            path.write_bytes(damaged(content, rng))
        assert compiled(tmp_path, tmp_path / "cache") == 0
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in stored)
