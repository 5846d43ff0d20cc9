import os
import subprocess
import sys

import lmdb
import pytest

from caffelite.core.data import lmdb_writer
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.errors import DataError


def records(count):
    return ((b"%05d" % index, b"x" * 100) for index in range(count))


def test_makes_the_folders_above(tmp_path):
    assert write_lmdb(tmp_path / "new" / "db", records(2500)) == 2500
    assert LmdbReader(tmp_path / "new" / "db").entries == 2500
    assert os.listdir(tmp_path / "new") == ["db"]


def test_the_map_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(lmdb_writer, "FIRST_MAP_SIZE", 1 << 16)
    write_lmdb(tmp_path / "db", records(5000))
    found = LmdbReader(tmp_path / "db").read(5000)
    assert found == list(records(5000))


@pytest.mark.parametrize("name", ["raw_lmdb", "encoded_lmdb"])
def test_the_file_is_caffes_byte_for_byte(tmp_path, golden_folder, name):
    theirs = golden_folder / "data" / name
    records = LmdbReader(theirs).read(LmdbReader(theirs).entries)
    write_lmdb(tmp_path / "db", records)
    assert (tmp_path / "db" / "data.mdb").read_bytes() == (theirs / "data.mdb").read_bytes()


def transactions(folder):
    with lmdb.open(str(folder), readonly=True) as environment:
        return environment.info()["last_txnid"]


def test_commits_after_1000_records_or_many_bytes(tmp_path, monkeypatch):
    write_lmdb(tmp_path / "a", records(2001))
    assert transactions(tmp_path / "a") == 3
    monkeypatch.setattr(lmdb_writer, "BYTES_PER_TRANSACTION", 500)
    write_lmdb(tmp_path / "b", records(11))
    assert transactions(tmp_path / "b") == 3


def test_a_database_without_records(tmp_path):
    assert write_lmdb(tmp_path / "db", []) == 0
    with lmdb.open(str(tmp_path / "db"), readonly=True) as environment:
        assert environment.stat()["entries"] == 0


@pytest.mark.parametrize("key", [b"", b"k" * 512])
def test_keys_that_lmdb_cannot_have(tmp_path, key):
    with pytest.raises(DataError, match=rf"has {len(key)} bytes; an LMDB database takes 1 to 511"):
        write_lmdb(tmp_path / "db", [(b"k" * 511, b""), (key, b"")])
    assert os.listdir(tmp_path) == []


# In a process of its own: its files must not grow above 2 MB, or it has a disk of 2 MB to itself.
WRITE = """
import resource, signal, sys
from pathlib import Path
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.errors import DataError
if sys.argv[2] == "limit":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**21 + 100, 2**21 + 100))
try:
    write_lmdb(Path(sys.argv[1]) / "db", ((b"%05d" % index, b"x" * 1000) for index in range(9000)))
except DataError as err:
    print(err)
"""


def test_files_that_may_not_grow(tmp_path):
    """LMDB writes a part, and says "Input/output error"."""
    run = subprocess.run([sys.executable, "-c", WRITE, tmp_path, "limit"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(f"cannot write the LMDB database {tmp_path / 'db'}: ")
    assert "File too large" in run.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("free", [0, 4, 8, 12, 1000])
def test_a_full_disk(tmp_path, free):
    """With `free` KiB left; without room for lock.mdb LMDB would be ended by SIGBUS."""
    fill = f'head -c {(2048 - free) * 1024} /dev/zero > "{tmp_path}/fill"; exec "$@"'
    mount = f'mount -t tmpfs -o size=2m none "{tmp_path}" && {fill}'
    private = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    try:
        subprocess.run([*private, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here")
    run = subprocess.run(
        [*private, sys.executable, "-c", WRITE, tmp_path, "disk"], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith(f"cannot write the LMDB database {tmp_path / 'db'}: the disk is full: ")
    assert "No space left on device" in run.stdout


def test_a_name_that_is_no_text(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    assert write_lmdb(folder, records(3)) == 3
    assert LmdbReader(folder).entries == 3
