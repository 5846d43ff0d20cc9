import os
import subprocess
import sys
import venv

import pytest

from caffelite.core.data import leveldb_writer
from caffelite.core.data.leveldb_files import files_of
from caffelite.core.data.leveldb_writer import write_leveldb
from caffelite.core.data.plyvel import plyvel


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
