import os

import pytest

from caffelite.core.data.leveldb_writer import BLOCK_SIZE, write_leveldb
from caffelite.core.data.plyvel import plyvel
from caffelite.core.errors import DataError
from caffelite.databases.leveldb_salvage import read_past_damage

VALUE = 2000  # bytes
A_BLOCK = 33  # records: a block ends when it has BLOCK_SIZE bytes


def records(numbers):
    return [(b"%05d" % number, os.urandom(VALUE)) for number in numbers]  # which LevelDB cannot compress


def spoil(file, *places):
    with file.open("r+b") as opened:
        for at in places:
            opened.seek(at)
            byte = opened.read(1)
            opened.seek(at)
            opened.write(bytes([byte[0] ^ 255]))


@pytest.fixture
def written(tmp_path):
    """A database of 400 records in one table, and that table."""
    made = records(range(400))
    write_leveldb(tmp_path / "db", made)
    (table,) = (tmp_path / "db").glob("*.ldb")
    return tmp_path / "db", made, table


def keys_of(found):
    return [int(one[0]) for one in found if not isinstance(one, DataError)]


def test_a_sound_database(written):
    folder, made, _ = written
    assert list(read_past_damage(folder)) == made
    assert os.listdir(folder.parent) == ["db"]


def test_damaged_blocks_leave_the_others(written):
    folder, made, table = written
    spoil(table, 20, 3 * BLOCK_SIZE + 5000, table.stat().st_size - 8000)
    found = list(read_past_damage(folder))
    errors = [place for place, one in enumerate(found) if isinstance(one, DataError)]
    lost = sorted(set(range(400)) - set(keys_of(found)))
    assert errors[0] == 0 and errors[-1] == len(found) - 1 and len(errors) == 3
    assert lost == [*range(A_BLOCK), *range(3 * A_BLOCK, 4 * A_BLOCK), *range(400 // A_BLOCK * A_BLOCK, 400)]
    assert [one for one in found if not isinstance(one, DataError)] == [made[key] for key in keys_of(found)]
    assert str(found[0]) == 'Corruption: block checksum mismatch; the next one that can be read is "00033"'
    assert str(found[-1]) == "Corruption: block checksum mismatch; no record after these can be read"


def test_neighbouring_blocks_are_one_damage(written):
    folder, _, table = written
    spoil(table, 3 * BLOCK_SIZE + 5000, 4 * BLOCK_SIZE + 6000)
    found = list(read_past_damage(folder))
    assert [isinstance(one, DataError) for one in found].count(True) == 1
    assert keys_of(found) == [*range(3 * A_BLOCK), *range(5 * A_BLOCK, 400)]


def test_tables_that_overlap(tmp_path):
    """The odd records are in another table: they go on within the damage of the even ones, which is told once."""
    for start in (0, 1):  # what is in the log becomes a table when the database is opened again
        with plyvel().DB(str(tmp_path / "db"), create_if_missing=True, block_size=BLOCK_SIZE) as database:
            for key, value in records(range(start, 400, 2)):
                database.put(key, value)
    plyvel().DB(str(tmp_path / "db")).close()
    first, second = sorted((tmp_path / "db").glob("*.ldb"))
    spoil(first, BLOCK_SIZE + 5000, 4 * BLOCK_SIZE + 6000)
    found = list(read_past_damage(tmp_path / "db"))
    lost = [*range(2 * A_BLOCK, 4 * A_BLOCK, 2), *range(8 * A_BLOCK, 10 * A_BLOCK, 2)]
    assert keys_of(found) == sorted(set(range(400)) - set(lost))
    errors = [place for place, one in enumerate(found) if isinstance(one, DataError)]
    assert [int(found[place - 1][0]) for place in errors] == [lost[0] - 2, lost[A_BLOCK] - 2]
    spoil(second, second.stat().st_size - 300)  # in its index, so that the whole table is lost
    assert set(keys_of(read_past_damage(tmp_path / "db"))) == set(range(0, 400, 2)) - set(lost)
