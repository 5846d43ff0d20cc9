import os
import subprocess
import sys
import venv

import pytest

from caffelite.core.data import leveldb_writer
from caffelite.core.data.leveldb_files import files_of
from caffelite.core.data.leveldb_reader import LevelDbReader
from caffelite.core.data.leveldb_writer import creating_leveldb, write_leveldb
from caffelite.core.data.lmdb_writer import DatabaseExistsError
from caffelite.core.data.plyvel import plyvel
from caffelite.core.errors import DataError


def records(count):
    return ((b"%05d" % index, b"x" * 100) for index in range(count))


def test_makes_the_folders_above_and_plyvel_reads_it(tmp_path):
    assert write_leveldb(tmp_path / "new" / "db", records(2500)) == 2500
    assert os.listdir(tmp_path / "new") == ["db"]
    with plyvel().DB(str(tmp_path / "new" / "db"), create_if_missing=False, paranoid_checks=True) as database:
        assert list(database) == list(records(2500))


ROCKSDICT = """
import sys
import venv
from rocksdict import AccessType, Options, Rdict
with_bytes = Options(raw_mode=True)
for key, value in Rdict(sys.argv[1], with_bytes, access_type=AccessType.read_only()).items():
    print(key.decode(), value.hex())
"""


@pytest.mark.slow
def test_somebody_elses_reader_reads_it(tmp_path):
    """Of rocksdict, which is no part of caffelite: so in an environment of its own."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "rocksdict"], check=True, capture_output=True)
    written = [(b"%05d" % index, os.urandom(index % 500)) for index in range(3000)]
    write_leveldb(tmp_path / "db", reversed(written))
    run = subprocess.run([python, "-c", ROCKSDICT, tmp_path / "db"], check=True, capture_output=True, text=True)
    read = [line.partition(" ") for line in run.stdout.splitlines()]
    assert [(key.encode(), bytes.fromhex(value)) for key, _, value in read] == written


def test_all_records_are_in_tables(tmp_path):
    """From a log, each who opens the database would have to make one."""
    write_leveldb(tmp_path / "db", records(2500))
    files = files_of(tmp_path / "db")
    assert sum((tmp_path / "db" / name).stat().st_size for name in files.logs) == 0
    assert len(files.tables) == 1


def test_commits_after_1000_records_or_many_bytes(tmp_path, monkeypatch):
    sizes = []
    real = leveldb_writer.LevelDbWriter.commit
    monkeypatch.setattr(
        leveldb_writer.LevelDbWriter, "commit", lambda self: (sizes.append(self._waiting), real(self))[1]
    )
    write_leveldb(tmp_path / "a", records(2001))
    assert sizes == [1000, 1000, 1]
    sizes.clear()
    monkeypatch.setattr(leveldb_writer, "BYTES_PER_TRANSACTION", 500)
    write_leveldb(tmp_path / "b", records(11))
    assert sizes == [5, 5, 1]


def test_leaves_nothing_when_the_records_fail(tmp_path):
    def failing():
        yield from records(1500)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_leveldb(tmp_path / "db", failing())
    assert os.listdir(tmp_path) == []


def test_one_that_is_there_stays_and_leftovers_of_killed_makers_go(tmp_path):
    leftover = tmp_path / ".db.0123abcd.tmp"
    leftover.mkdir()
    (leftover / "CURRENT").touch()
    write_leveldb(tmp_path / "db", records(3))
    with pytest.raises(DatabaseExistsError, match="cannot write the LevelDB database .*db: it is already there"):
        write_leveldb(tmp_path / "db", records(5))
    assert LevelDbReader(tmp_path / "db").count() == 3
    assert os.listdir(tmp_path) == ["db"]


def test_several_at_once(tmp_path):
    with creating_leveldb(tmp_path / "a") as a, creating_leveldb(tmp_path / "b") as b:
        for key, value in records(3):
            a.put(key, value)
            b.put(value[:5], key)
    assert LevelDbReader(tmp_path / "a").count() == a.count == 3
    assert LevelDbReader(tmp_path / "b").read(1) == [(b"xxxxx", b"00002")]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write the LevelDB database .*file/db: .*Not a directory"):
        write_leveldb(tmp_path / "file" / "db", records(1))


# In a process of its own: its files must not grow above 2 MB, or it has a disk of 2 MB to itself.
WRITE = """
import os, resource, signal, sys
from pathlib import Path
from caffelite.core.data.leveldb_writer import write_leveldb
from caffelite.core.data.plyvel import plyvel
from caffelite.core.errors import DataError
if sys.argv[2] == "limit":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**21 + 100, 2**21 + 100))
try:
    write_leveldb(Path(sys.argv[1]) / "db", ((b"%05d" % index, os.urandom(1000)) for index in range(int(sys.argv[3]))))
except DataError as err:
    print(err)
"""


def test_files_that_may_not_grow(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", WRITE, tmp_path, "limit", "9000"], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith(f"cannot write the LevelDB database {tmp_path / 'db'}: ")
    assert "File too large" in run.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("free", "count"), [(0, 9000), (4, 9000), (1000, 9000), (1500, 900)])
def test_a_full_disk(tmp_path, free, count):
    """With `free` KiB left; in the last case the disk is full only when the log becomes a table."""
    fill = f'head -c {(2048 - free) * 1024} /dev/zero > "{tmp_path}/fill"; exec "$@"'
    mount = f'mount -t tmpfs -o size=2m none "{tmp_path}" && {fill}'
    private = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    try:
        subprocess.run([*private, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here")
    run = subprocess.run(
        [*private, sys.executable, "-c", WRITE, tmp_path, "disk", str(count)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith(f"cannot write the LevelDB database {tmp_path / 'db'}: the disk is full: ")
    assert "No space left on device" in run.stdout
    assert ".tmp" not in run.stdout
