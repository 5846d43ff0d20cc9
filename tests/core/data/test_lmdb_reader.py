import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from caffelite.core.data import lmdb_reader
from caffelite.core.data.lmdb_pages import PageFile
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.errors import DataError


@pytest.fixture
def folder(tmp_path):
    """A database of 40 records, some of them larger than a page."""
    records = [(b"%08d" % index, b"%d " % index * (index * 100)) for index in range(40)]
    write_lmdb(tmp_path / "some_lmdb", records)
    return tmp_path / "some_lmdb"


def keys(records):
    return [int(key) for key, _ in records]


def test_reads_in_order_of_keys(tmp_path):
    write_lmdb(tmp_path / "db", [(key, b"value") for key in (b"10", b"9", b"2", b"1")])
    assert keys(LmdbReader(tmp_path / "db").read(4)) == [1, 10, 2, 9]


def test_wraps(folder, caplog):
    caplog.set_level("INFO")
    reader = LmdbReader(folder, log_restart=True)
    assert keys(reader.read(39)) == list(range(39))
    assert keys(reader.read(3)) == [39, 0, 1]
    assert keys(reader.read(80)) == [*range(2, 40), *range(40), 0, 1]
    assert [record.message for record in caplog.records] == ["Restarting data prefetching from start."]


def test_a_batch_of_many_rounds(tmp_path):
    write_lmdb(tmp_path / "db", [(b"0", b"a"), (b"1", b"b")])
    assert keys(LmdbReader(tmp_path / "db").read(5001)) == [0, 1] * 2500 + [0]


@pytest.mark.parametrize("record", [0, 1, 17, 39, 40, 41, 4017])
def test_seek(folder, record):
    reader = LmdbReader(folder)
    reader.read(5)
    reader.seek(record)
    assert keys(reader.read(2)) == [record % 40, (record + 1) % 40]
    assert reader.entries == 40


def test_several_readers_of_one_database(folder):
    first, second = LmdbReader(folder), LmdbReader(folder)
    first.read(7)
    assert keys(second.read(2)) == [0, 1]
    del second
    assert keys(first.read(2)) == [7, 8]


def test_any_map_size(tmp_path):
    with lmdb.open(str(tmp_path / "db"), map_size=2**40) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"0", b"value")
    assert LmdbReader(tmp_path / "db").read(1) == [(b"0", b"value")]


def test_a_database_without_lock_file_that_nobody_may_write(folder, monkeypatch):
    def refusing(*args, **options):
        raise lmdb.ReadonlyError("lock.mdb: Permission denied")

    monkeypatch.setattr(lmdb, "open", refusing)
    assert keys(LmdbReader(folder).read(2)) == [0, 1]


def test_missing(tmp_path):
    with pytest.raises(DataError, match="cannot open the LMDB database .*nowhere: .*No such file or directory"):
        LmdbReader(tmp_path / "nowhere")


def test_a_folder_without_data(tmp_path):
    with pytest.raises(DataError, match=r"is not an LMDB database: that is a folder with a file data\.mdb in it"):
        LmdbReader(tmp_path)


def test_a_file_instead_of_a_folder(folder):
    with pytest.raises(DataError, match="is not an LMDB database"):
        LmdbReader(folder / "data.mdb")


def test_empty(tmp_path):
    write_lmdb(tmp_path / "db", [])
    with pytest.raises(DataError, match=r"the LMDB database .*db holds no records"):
        LmdbReader(tmp_path / "db")


@pytest.mark.parametrize("content", [b"no database" * 2000, bytes(50000)])
def test_not_a_database(tmp_path, content):
    (tmp_path / "data.mdb").write_bytes(content)
    with pytest.raises(DataError, match="is not an LMDB database of this kind of machine"):
        LmdbReader(tmp_path)


def test_another_version(folder):
    content = bytearray((folder / "data.mdb").read_bytes())
    content[20] = 2
    (folder / "data.mdb").write_bytes(content)
    with pytest.raises(DataError, match="is not an LMDB database of this kind of machine"):
        LmdbReader(folder)


# In a process of its own: reading behind the end of a mapped file would end it by SIGBUS.
READ_ALL = """
import sys
from pathlib import Path
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import DataError
for folder in sys.argv[1:]:
    try:
        LmdbReader(Path(folder)).read(100)
        print("read")
    except DataError as err:
        print(err)
"""


def test_cut_short(folder, tmp_path):
    size = (folder / "data.mdb").stat().st_size
    lengths = [0, 1, 100, 4095, 4096, 5000, 8191, 8192, 8193, size // 2, size - 4096, size - 1, size]
    copies = [tmp_path / str(length) for length in lengths]
    for length, copy in zip(lengths, copies, strict=True):
        shutil.copytree(folder, copy)
        os.truncate(copy / "data.mdb", length)
    run = subprocess.run([sys.executable, "-c", READ_ALL, *copies], capture_output=True, text=True, check=True)
    *refused, whole = run.stdout.splitlines()
    assert whole == "read"
    assert len(refused) == len(lengths) - 1
    for length, message in zip(lengths, refused, strict=False):
        assert message.startswith(f"{tmp_path / str(length) / 'data.mdb'} is cut short: ")
        if length > 8192:
            assert f"it has {length} bytes, but its records take {size}; copy or make it again" in message


def test_every_kind_of_change_keeps_the_file_as_long_as_its_pages(tmp_path):
    """What PageFile.check demands, also after pages were given back in the transaction that took them."""
    with lmdb.open(str(tmp_path), map_size=2**26) as environment:
        for round_ in range(3):
            with environment.begin(write=True) as transaction:
                for index in range(300):
                    transaction.put(b"%d %d" % (round_, index), b"x" * (index * 40))
                for index in range(round_, 300, 2):
                    transaction.delete(b"%d %d" % (round_, index))
            file = PageFile(tmp_path / "data.mdb")
            file.check(file.metas()[-1])


@pytest.mark.parametrize(("offset", "found"), [(-2, 19), (-20, 10)])
def test_records_that_a_damaged_page_hides_are_missed(tmp_path, offset, found):
    write_lmdb(tmp_path / "db", [(b"%08d" % index, b"value") for index in range(20)])
    path = tmp_path / "db" / "data.mdb"
    content = bytearray(path.read_bytes())
    start = content.index(b"00000000") // 4096 * 4096 + 12  # where the page says how long the list of its records is
    (length,) = struct.unpack_from("=H", content, start)
    struct.pack_into("=H", content, start, length + offset)
    path.write_bytes(content)
    message = f"is damaged: 20 records are counted in it, but {found} were found; copy or make it again"
    for first in (0, 25):
        reader = LmdbReader(tmp_path / "db")
        with pytest.raises(DataError, match=message if first == 0 else "is damaged"):
            reader.seek(first)
            reader.read(20)


def test_zeros_instead_of_pages(folder):
    """As the end of a preallocated file that was not copied to the end."""
    size = (folder / "data.mdb").stat().st_size
    os.truncate(folder / "data.mdb", 8192)
    os.truncate(folder / "data.mdb", size)
    with pytest.raises(
        DataError, match=r"data\.mdb is damaged: page \d+ is not the branch page .*; copy or make it again"
    ):
        LmdbReader(folder).read(1)


def test_a_page_of_zeros(tmp_path):
    write_lmdb(tmp_path / "db", [(b"%08d" % index, b"value" * 100) for index in range(2000)])
    with (tmp_path / "db" / "data.mdb").open("r+b") as file:
        file.seek(100 * 4096)
        file.write(bytes(4096))
    with pytest.raises(DataError, match=r"is damaged: page 100 is not the leaf page that it should be"):
        LmdbReader(tmp_path / "db").read(2000)
    with pytest.raises(DataError, match=r"is damaged: page 100 is not the leaf page that it should be"):
        LmdbReader(tmp_path / "db").seek(1999)


def test_cut_short_while_it_is_read(folder):
    reader = LmdbReader(folder)
    assert keys(reader.read(1)) == [0]
    for length in (20000, 0):
        os.truncate(folder / "data.mdb", length)
        with pytest.raises(DataError, match=r"data\.mdb is cut short: it ends at byte .*; copy or make it again"):
            reader.read(39)


@pytest.mark.parametrize("size", [400, 20000], ids=["in leaf pages", "on pages of their own"])
def test_cut_short_at_each_page_while_it_is_read(tmp_path, size):
    """Pages are read many at once: those in front of the cut can be."""
    write_lmdb(tmp_path / "db", [(b"%04d" % index, b"x" * size) for index in range(30)])
    pages = (tmp_path / "db" / "data.mdb").stat().st_size // 4096
    for page in range(1, pages):
        shutil.copytree(tmp_path / "db", tmp_path / "copy")
        reader = LmdbReader(tmp_path / "copy")
        os.truncate(tmp_path / "copy" / "data.mdb", page * 4096)
        with pytest.raises(DataError, match=rf"data\.mdb is cut short: it ends at byte {page * 4096}"):
            reader.read(30)
        shutil.rmtree(tmp_path / "copy")


def test_replaced_while_it_is_read(folder, tmp_path):
    reader = LmdbReader(folder)
    reader.read(1)
    write_lmdb(tmp_path / "new", [(b"100", b"value")])
    os.replace(tmp_path / "new" / "data.mdb", folder / "data.mdb")
    assert keys(reader.read(40)) == [*range(1, 40), 0]
    assert keys(LmdbReader(folder).read(1)) == [100]
    assert keys(reader.read(1)) == [1]


# Twenty commits that change all records and add one: without a reader's place they use each other's pages again.
WRITER = """
import sys, lmdb
with lmdb.open(sys.argv[1], map_size=2**28) as environment:
    for commit in range(20):
        with environment.begin(write=True) as transaction:
            for index in range(300):
                transaction.put(b"%08d" % index, b"%d " % commit * (index * 7))
            transaction.put(b"9%07d" % commit, b"new")
"""


def test_another_process_writes_meanwhile(tmp_path):
    records = [(b"%08d" % index, b"old" * (index * 7)) for index in range(300)]
    write_lmdb(tmp_path / "db", records)
    reader, later = LmdbReader(tmp_path / "db"), LmdbReader(tmp_path / "db")
    assert reader.read(10) == records[:10]
    subprocess.run([sys.executable, "-c", WRITER, tmp_path / "db"], check=True)
    assert reader.read(290) == records[10:]
    assert later.read(300) == records
    del reader, later
    assert LmdbReader(tmp_path / "db").entries == 320


def test_another_process_writes_and_no_place_could_be_had(tmp_path, monkeypatch):
    write_lmdb(tmp_path / "db", [(b"%08d" % index, b"old" * (index * 7)) for index in range(300)])

    def refusing(*args, **options):
        raise lmdb.ReadonlyError("lock.mdb: Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(lmdb, "open", refusing)
        reader = LmdbReader(tmp_path / "db")
    assert len(reader.read(10)) == 10
    subprocess.run([sys.executable, "-c", WRITER, tmp_path / "db"], check=True)
    with pytest.raises(DataError, match=r"was written to while it was read; begin again when it is complete"):
        reader.read(290)


def test_one_commit_leaves_the_pages_of_the_one_before(tmp_path, monkeypatch):
    records = [(b"%08d" % index, b"old" * (index * 7)) for index in range(300)]
    write_lmdb(tmp_path / "db", records)
    reader = LmdbReader(tmp_path / "db")
    reader._snapshot._promise = None
    lmdb_reader._environments.clear()
    with lmdb.open(str(tmp_path / "db"), map_size=2**26) as environment, environment.begin(write=True) as transaction:
        for key, value in records:
            transaction.put(key, value[:-1] + b"!")
    assert reader.read(300) == records


HOLD_ALL_PLACES = """
import sys, lmdb
environment = lmdb.open(sys.argv[1], readonly=True)
held = []
try:
    while True:
        held.append(environment.begin())
except lmdb.ReadersFullError:
    print(len(held), flush=True)
sys.stdin.read()
"""


def test_more_readers_than_there_are_places_for(folder, caplog):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_ALL_PLACES, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"126\n"
        assert keys(LmdbReader(folder).read(2)) == [0, 1]
    finally:
        holder.communicate()
    (message,) = caplog.messages
    assert "some_lmdb is read by more processes and layers than its lock.mdb has places for" in message


def test_more_than_126_readers(folder, caplog):
    readers = [LmdbReader(folder) for _ in range(200)]
    assert all(keys(reader.read(2)) == [0, 1] for reader in readers)
    assert all(reader._snapshot._promise for reader in readers)
    assert not caplog.messages


def test_a_full_disk_has_no_room_for_places(folder, monkeypatch):
    """LMDB would be ended by SIGBUS where it touches a part of lock.mdb that cannot be stored."""
    full = os.statvfs_result([4096, 4096, 1000, 0, 0, 1000, 0, 0, 0, 255])
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    monkeypatch.setattr(lmdb, "open", lambda *args, **options: pytest.fail("lock.mdb is written"))
    assert keys(LmdbReader(folder).read(2)) == [0, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_child_goes_on_reading(folder):
    reader = LmdbReader(folder)
    reader.read(5)
    child = os.fork()
    if not child:
        os._exit(int(keys(reader.read(2)) != [5, 6]))
    assert os.waitpid(child, 0)[1] == 0
    assert keys(reader.read(2)) == [5, 6]


def test_a_name_that_is_no_text(folder):
    odd = os.path.join(os.fsencode(folder.parent), b"\xff")
    os.rename(folder, odd)
    reader = LmdbReader(Path(os.fsdecode(odd)))
    assert keys(reader.read(1)) == [0]
    assert reader._snapshot._promise


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "data.mdb")
    with pytest.raises(DataError, match="is not an LMDB database: that is a file"):
        LmdbReader(tmp_path)
