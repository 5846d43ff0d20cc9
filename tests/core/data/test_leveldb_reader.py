import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from caffelite.core.data import leveldb_reader
from caffelite.core.data.leveldb_reader import LevelDbReader
from caffelite.core.data.leveldb_writer import write_leveldb
from caffelite.core.data.plyvel import plyvel
from caffelite.core.errors import DataError


def key(number):
    return b"%03d" % number


@pytest.fixture
def database(tmp_path):
    """Seven records, the keys of which were not put in order."""
    write_leveldb(tmp_path / "db", [(key(number), b"value %d" % number) for number in (3, 0, 6, 1, 5, 2, 4)])
    return tmp_path / "db"


def keys(records):
    return [int(key) for key, _ in records]


def test_the_order_is_that_of_the_keys_again_and_again(database, caplog):
    caplog.set_level("INFO")
    reader = LevelDbReader(database, log_restart=True)
    assert reader.read(3) == [(key(number), b"value %d" % number) for number in range(3)]
    assert reader.entries is None
    assert keys(reader.read(20)) == [*range(3, 7), *range(7), *range(7), 0, 1]
    assert reader.entries == 7
    assert caplog.messages == ["Restarting data prefetching from start."]
    (rows,) = reader.read_rows(2)
    assert rows == ([key(2), key(3)], [b"value 2", b"value 3"])


def test_keys_are_ordered_by_their_bytes(tmp_path):
    wanted = [b"", b"\x00", b"10", b"9", b"a", b"a\x00", b"\xc3\xa9", b"\xff" * 3000]
    write_leveldb(tmp_path / "db", [(key, b"x") for key in reversed(wanted)])
    assert [key for key, _ in LevelDbReader(tmp_path / "db").read(8)] == wanted


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("record", [0, 1, 6, 7, 8, 7 * 10**9 + 5])
def test_seek(database, record, counted):
    reader = LevelDbReader(database)
    if counted:
        assert reader.count() == 7
    for _ in range(2):
        reader.seek(record)
        assert keys(reader.read(2)) == [record % 7, (record + 1) % 7]


def test_a_long_way_is_told(database, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(leveldb_reader, "MANY", 5)
    reader = LevelDbReader(database)
    reader.seek(4)
    assert not caplog.messages
    reader.seek(13)
    assert caplog.messages == [f"{database}: going to record 13; LevelDB has to read those before it"] + [
        f"{database}: going to record 6; LevelDB has to read those before it"
    ]
    assert keys(reader.read(2)) == [6, 0]


def test_counting_moves_nothing(database):
    reader = LevelDbReader(database)
    reader.read(5)
    assert reader.count() == reader.count() == reader.entries == 7
    assert keys(reader.read(3)) == [5, 6, 0]


def test_what_is_written_meanwhile_is_not_seen(database):
    reader = LevelDbReader(database)
    with plyvel().DB(str(database)) as other:
        for number in range(7, 3000):
            other.put(key(number), os.urandom(1000))
        other.compact_range()
    assert reader.count() == 7
    assert keys(reader.read(7)) == list(range(7))
    assert LevelDbReader(database).count() == 3000


def test_a_forked_process_goes_on_where_it_was(database):
    reader = LevelDbReader(database)
    reader.read(5)
    process = os.fork()
    if not process:
        os._exit(0 if keys(reader.read(3)) == [5, 6, 0] and reader.count() == 7 else 1)
    assert os.waitpid(process, 0)[1] == 0
    assert keys(reader.read(3)) == [5, 6, 0]


def test_a_process_of_multiprocessing_leaves_nothing_behind(database):
    reader = LevelDbReader(database)
    before = os.listdir(database.parent)
    fork = multiprocessing.get_context("fork")
    queue = fork.SimpleQueue()
    process = fork.Process(target=lambda: queue.put(keys(reader.read(2))))
    process.start()
    process.join()
    assert queue.get() == [0, 1]
    assert os.listdir(database.parent) == before


def test_readers_of_one_database_in_threads(database):
    found = []

    def run():
        reader = LevelDbReader(database)
        found.extend(keys(reader.read(70)) for _ in range(20))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [list(range(7)) * 10] * 80


def test_a_database_without_records(tmp_path):
    write_leveldb(tmp_path / "db", [])
    with pytest.raises(DataError, match="the LevelDB database .*db holds no records"):
        LevelDbReader(tmp_path / "db")


def test_damage_that_only_the_checksums_tell(tmp_path):
    """A block in the middle: what stands before it can be read, and it is not passed over."""
    write_leveldb(tmp_path / "db", [(key(number), os.urandom(100_000)) for number in range(20)])
    (table,) = (tmp_path / "db").glob("*.ldb")
    data = bytearray(table.read_bytes())
    data[1_050_000] ^= 1
    table.write_bytes(data)
    reader = LevelDbReader(tmp_path / "db")
    with pytest.raises(DataError, match=r"cannot read the LevelDB database .*db: Corruption: block checksum mismatch"):
        reader.read(20)
    reader = LevelDbReader(tmp_path / "db")
    assert keys(reader.read(9)) == list(range(9))
    with pytest.raises(DataError, match="checksum"):
        reader.count()


def test_caffes_own(golden_folder, tmp_path):
    folder = tmp_path / "db"
    folder.mkdir()
    for path in (golden_folder / "data" / "gray_leveldb").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    found = LevelDbReader(Path(folder)).read(6)
    assert found[0][0] == b"00000000_astronaut.png"
    assert [len(value) for _, value in found] == [493] * 6
