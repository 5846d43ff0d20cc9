import gc
import os
import signal
import subprocess
import sys
import tempfile

import pytest

from caffelite.core.data import leveldb_copy
from caffelite.core.data.leveldb_copy import OpenCopy
from caffelite.core.data.leveldb_reader import LevelDbReader
from caffelite.core.data.leveldb_writer import write_leveldb
from caffelite.core.errors import DataError


@pytest.fixture
def database(tmp_path):
    write_leveldb(tmp_path / "data" / "db", [(b"%03d" % number, b"x" * 1000) for number in range(100)])
    return tmp_path / "data" / "db"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def state(folder):
    """Everything that can be seen of a folder and its files but for when they were linked."""
    seen = {".": (folder.stat().st_mode, folder.stat().st_mtime_ns)}
    for path in folder.iterdir():
        status = path.lstat()
        seen[path.name] = path.read_bytes(), status.st_ino, status.st_mtime_ns, status.st_mode, status.st_nlink
    return seen


def test_nothing_of_the_database_changes(database):
    before = state(database)
    reader = LevelDbReader(database)
    (copy,) = (path for path in database.parent.iterdir() if path != database)
    assert copy.name.startswith(".db.")
    assert any(path.stat().st_nlink == 2 for path in copy.iterdir())  # hard links take no room
    reader.read(250)
    reader._copy.close()
    assert state(database) == before
    assert os.listdir(database.parent) == ["db"]


def test_the_folder_goes_with_the_reader(database):
    reader = LevelDbReader(database)
    assert len(os.listdir(database.parent)) == 2
    del reader
    gc.collect()
    assert os.listdir(database.parent) == ["db"]


def test_the_folder_goes_when_opening_fails(database):
    (database / "CURRENT").write_bytes(b"")
    with pytest.raises(DataError, match="CURRENT should name"):
        OpenCopy(database)
    assert os.listdir(database.parent) == ["db"]


def test_a_folder_that_cannot_be_written_to(database, temporary, monkeypatch):
    """Its parent neither, on another file system, where no hard links go from here."""

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "link", refuse)
    before = state(database)
    reader = LevelDbReader(database)
    (copy,) = temporary.iterdir()
    assert copy.name.startswith(".caffelite-db.")
    assert any(path.is_symlink() for path in copy.iterdir())
    assert reader.count() == 100
    reader._copy.close()
    assert state(database) == before
    assert os.listdir(temporary) == []


@pytest.mark.parametrize("depth", [1, 2])
def test_readonly_media(database, temporary, tmp_path, depth):
    """Mounted so that not even root can write: only the database, or its parent, too."""
    place = database if depth == 1 else database.parent
    mount = f'mount --bind "{place}" "{place}" && mount -o remount,ro,bind "{place}" && exec "$@"'
    private = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    try:
        subprocess.run([*private, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    code = f"""
from pathlib import Path
from caffelite.core.data.leveldb_reader import LevelDbReader
print(LevelDbReader(Path({str(database)!r})).count())
"""
    before = state(database)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    run = subprocess.run(
        [*private, sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout == "100\n"
    assert run.stderr == ""
    assert state(database) == before
    assert os.listdir(temporary) == []
    assert os.listdir(database.parent) == ["db"]


def test_a_full_disk_beside_the_database(database, temporary, monkeypatch):
    make = leveldb_copy.new_folder

    def refuse(target):
        if target.parent == database.parent:
            raise OSError(28, "No space left on device")
        return make(target)

    monkeypatch.setattr(leveldb_copy, "new_folder", refuse)
    reader = LevelDbReader(database)
    assert len(os.listdir(temporary)) == 1
    assert reader.count() == 100
    monkeypatch.setattr(leveldb_copy, "new_folder", lambda target: refuse(database))
    with pytest.raises(DataError, match="cannot read the LevelDB database .*db: the disk is full: No space left"):
        OpenCopy(database)


KILLED = """
import os, signal, sys
from pathlib import Path
from caffelite.core.data.leveldb_reader import LevelDbReader
reader = LevelDbReader(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_with_the_next_one(database):
    reader = LevelDbReader(database)
    before = set(os.listdir(database.parent))
    run = subprocess.run([sys.executable, "-c", KILLED, database])
    assert run.returncode == -signal.SIGKILL
    (left,) = set(os.listdir(database.parent)) - before
    other = LevelDbReader(database)
    assert not (database.parent / left).exists()
    assert reader.read(1) == other.read(1)  # the folder of one that lives stays


def test_tables_and_logs_behind_symbolic_links(database, tmp_path):
    farm = tmp_path / "farm"
    farm.mkdir()
    for path in database.iterdir():
        (farm / path.name).symlink_to(path)
    assert LevelDbReader(farm).count() == 100
    (tmp_path / "link").symlink_to(database)
    assert LevelDbReader(tmp_path / "link").count() == 100


def test_a_name_that_is_no_text(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    write_leveldb(folder, [(b"key", b"value")])
    assert LevelDbReader(folder).read(1) == [(b"key", b"value")]
