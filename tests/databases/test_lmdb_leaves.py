import struct

from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.errors import DataError
from caffelite.databases.lmdb_leaves import read_leaves

from .conftest import PAGE

OVERFLOW = 4


def all_of(folder):
    return [found for leaf in read_leaves(folder) for found in leaf]


def test_a_sound_database(tmp_path):
    records = [(b"%04d" % number, b"%d" % number * (number * 9)) for number in range(200)]  # some larger than a page
    write_lmdb(tmp_path / "a", records)
    assert [(key, bytes(value)) for key, value in all_of(tmp_path / "a")] == records


def test_a_damaged_value_leaves_its_neighbours(tmp_path):
    write_lmdb(tmp_path / "a", [(b"%d" % number, b"%d" % number * 9000) for number in range(5)])
    content = bytearray((tmp_path / "a" / "data.mdb").read_bytes())
    pages = range(2 * PAGE, len(content), PAGE)
    starts = [at for at in pages if struct.unpack_from("<H", content, at + 10)[0] == OVERFLOW]
    at = next(at for at in starts if content[at + 16 : at + 17] == b"3")
    content[at + 10] = 0
    (tmp_path / "a" / "data.mdb").write_bytes(content)
    found = all_of(tmp_path / "a")
    assert [isinstance(one, DataError) for one in found] == [False, False, False, True, False]
