import random
import struct
import subprocess
import sys

import lmdb
import numpy as np
import pytest

from caffelite.core.data import lmdb_file
from caffelite.core.data.lmdb_file import META, NO_PAGE, PageFile
from caffelite.core.data.lmdb_pages import Tree
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.errors import DataError
from caffelite.core.kernels.pages import LEAF, UNREADABLE, new_memory
from caffelite.proto.caffe_pb2 import Datum

PAGE = 4096  # where the tests run


def tree_of(folder):
    file = PageFile(folder / "data.mdb")
    return Tree(file, file.metas()[-1])


def read_by_liblmdb(folder):
    with lmdb.open(str(folder), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return list(transaction.cursor().iternext())


def rewrite(folder, change):
    """Let `change` damage the bytes of a database."""
    content = bytearray((folder / "data.mdb").read_bytes())
    change(content)
    (folder / "data.mdb").write_bytes(content)


@pytest.fixture
def folder(tmp_path):
    """A database with a root, 14 pages of records and a value in overflow pages, in one commit."""
    write_lmdb(tmp_path / "db", [(b"%04d" % index, b"x" * (20000 if index == 7 else 400)) for index in range(120)])
    return tmp_path / "db"


@pytest.mark.parametrize("seed", range(12))
def test_reads_what_liblmdb_reads(tmp_path, seed):
    """Keys and values of all lengths, put and deleted in any order, over many commits."""
    rng = random.Random(seed)
    longest = rng.choice([10, 1000, 3000, 100000])
    known = []
    with lmdb.open(str(tmp_path), map_size=2**30) as environment:
        for _ in range(rng.randrange(1, 8)):
            with environment.begin(write=True) as transaction:
                for _ in range(rng.randrange(1, 4000 if longest < 10000 else 60)):
                    if known and rng.random() < 0.3:
                        transaction.delete(rng.choice(known))
                    else:
                        known.append(rng.randbytes(rng.randrange(1, rng.choice([3, 12, 511]))))
                        transaction.put(known[-1], rng.randbytes(rng.randrange(longest)))
                transaction.put(b"one", b"there is")
    expected = read_by_liblmdb(tmp_path)
    reader = LmdbReader(tmp_path)
    assert reader.entries == len(expected)
    assert reader.read(len(expected)) == expected
    for _ in range(20):
        first, count = rng.randrange(len(expected)), rng.randrange(1, 50)
        reader.seek(first)
        wanted = [expected[(first + i) % len(expected)] for i in range(count)]
        assert reader.read(count) == wanted
        reader.seek(first)
        rows = [(key, bytes(value)) for part in reader.read_rows(count) for key, value in zip(*part, strict=True)]
        assert rows == wanted


@pytest.mark.parametrize("size", [1, 700, 3000, 70000])
def test_rows_of_one_size_are_one_array(tmp_path, size):
    """In the leaf pages, in small and in large pages of their own; they stay when others are read."""
    rng = random.Random(size)
    records = [(b"%03d" % index, rng.randbytes(size)) for index in range(150)]
    write_lmdb(tmp_path / "db", records)
    reader = LmdbReader(tmp_path / "db")
    found = [part for _ in range(3) for part in reader.read_rows(50)]
    assert all(part.values.shape[1] == size for part in found)
    assert [(key, bytes(value)) for part in found for key, value in zip(*part, strict=True)] == records


def build(page_size, records):
    """Return a data.mdb with pages of another size: two meta pages, the root, a leaf page for each 3 records."""
    after, leaves = 3 + (len(records) + 2) // 3, []
    overflow = b""
    for first in range(0, len(records), 3):
        nodes = []
        for key, value in records[first : first + 3]:
            flags, stored = 0, value
            if len(value) > page_size // 4:
                pages = (len(value) + 15) // page_size + 1
                flags, stored = 1, struct.pack("<Q", after)
                overflow += (struct.pack("<QHHI", after, 0, 4, pages) + value).ljust(pages * page_size, b"\0")
                after += pages
            nodes.append(struct.pack("<HHHH", len(value) & 0xFFFF, len(value) >> 16, flags, len(key)) + key + stored)
        leaves.append(page(page_size, 3 + first // 3, 2, nodes))
    branch = [struct.pack("<HHHH", 3 + i, 0, 0, 4) + records[3 * i][0] for i in range(len(leaves))]
    metas = [
        struct.pack("<QHHI", number, 0, 8, 0)
        + META.pack(
            0xBEEFC0DE,
            1,
            0,
            2**20,
            page_size,
            8,
            0,
            0,
            0,
            0,
            0,
            NO_PAGE,
            0,
            0,
            2,
            1,
            len(leaves),
            0,
            len(records),
            2,
            after - 1,
            number + 1,
        )  # fmt: skip
        for number in range(2)
    ]
    pages = [meta.ljust(page_size, b"\0") for meta in metas] + [page(page_size, 2, 1, branch), *leaves]
    return b"".join(pages) + overflow


def page(page_size, number, kind, nodes):
    nodes = [node + bytes(len(node) % 2) for node in nodes]
    end, places = page_size, []
    for node in nodes:
        end -= len(node)
        places.append(end)
    lower = 16 + 2 * len(nodes)
    head = struct.pack(f"<QHHHH{len(nodes)}H", number, 0, kind, lower, end, *places)
    return head + bytes(end - lower) + b"".join(reversed(nodes))


@pytest.mark.parametrize("page_size", [512, 4096, 16384, 32768])
def test_pages_of_any_size(tmp_path, page_size):
    records = [(b"%04d" % index, b"%d " % index * (index * 50 + 1)) for index in range(40)]
    (tmp_path / "data.mdb").write_bytes(build(page_size, records))
    assert read_by_liblmdb(tmp_path) == records  # the test's file is one
    assert LmdbReader(tmp_path).read(40) == records


def test_says_that_a_32_bit_machine_wrote_it(tmp_path):
    meta = struct.pack("<IHHI", 0, 0, 8, 0) + struct.pack("<IIII", 0xBEEFC0DE, 1, 0, 2**20)
    (tmp_path / "data.mdb").write_bytes(meta.ljust(PAGE, b"\0") * 2)
    with pytest.raises(DataError, match="is an LMDB database of a 32-bit machine; make it again on a 64-bit one"):
        LmdbReader(tmp_path)


def test_says_that_a_big_endian_machine_wrote_it(tmp_path):
    meta = struct.pack(">QHHIII", 0, 0, 8, 0, 0xBEEFC0DE, 1)
    (tmp_path / "data.mdb").write_bytes(meta.ljust(PAGE, b"\0") * 2)
    with pytest.raises(DataError, match="is an LMDB database of a big-endian machine; make it again on this one"):
        LmdbReader(tmp_path)


def test_keys_with_several_values(tmp_path):
    (tmp_path / "data.mdb").write_bytes(build(PAGE, [(b"0000", b"x")]))
    rewrite(tmp_path, lambda content: [struct.pack_into("<H", content, at + 16 + 24 + 48 + 4, 4) for at in (0, PAGE)])
    with pytest.raises(DataError, match=r"has keys with several values \(DUPSORT\); make it again with a key for each"):
        LmdbReader(tmp_path)


def test_named_databases(tmp_path):
    with lmdb.open(str(tmp_path), max_dbs=2) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"a key", b"value", db=environment.open_db(b"train", txn=transaction))
    with pytest.raises(
        DataError, match=r"has a named database in it \('train'\); make it again with its records alone"
    ):
        LmdbReader(tmp_path).read(1)


def test_the_newer_meta_page_counts(tmp_path):
    for count in (3, 5, 7):
        with lmdb.open(str(tmp_path)) as environment, environment.begin(write=True) as transaction:
            for index in range(count):
                transaction.put(b"%d" % index, b"%d" % count)
        assert LmdbReader(tmp_path).read(count) == [(b"%d" % index, b"%d" % count) for index in range(count)]


def damage_header(number, format, offset, value):
    return lambda content: struct.pack_into(format, content, number * PAGE + offset, value)


def swap(number):
    """Exchange a page and the next one."""

    def change(content):
        start, middle, end = (at * PAGE for at in range(number, number + 3))
        content[start:end] = content[middle:end] + content[start:middle]

    return change


def node(content, number, place):
    """Return where a page's node begins in the file."""
    return number * PAGE + struct.unpack_from("<H", content, number * PAGE + 16 + 2 * place)[0]


def damage_node(number, format, offset, value):
    return lambda content: struct.pack_into(format, content, node(content, number, 1) + offset, value)


def same_child(number):
    """Let a branch page's second node lead where the first does."""

    def change(content):
        struct.pack_into(
            "<I", content, node(content, number, 1), *struct.unpack_from("<I", content, node(content, number, 0))
        )

    return change


def damage_meta(offset, format, value):
    """Offset from where the tree of records is described."""
    return lambda content: [struct.pack_into(format, content, at + 16 + 24 + 48 + offset, value) for at in (0, PAGE)]


def find(folder, kind):
    """Return the number of the first page of a kind behind the meta pages."""
    content = (folder / "data.mdb").read_bytes()
    kinds = [struct.unpack_from("<H", content, at + 10)[0] for at in range(0, len(content), PAGE)]
    return kinds.index(kind, 2)


LEAF_ERROR = r"is damaged: page \d+ is not the leaf page that it should be"
OUT_OF_PAGE = r"is damaged: page \d+ has entries that reach out of it"


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (2, lambda page: damage_header(page, "<Q", 0, 3333), LEAF_ERROR),
        (2, lambda page: damage_header(page, "<H", 10, 1), LEAF_ERROR),
        (2, lambda page: damage_header(page, "<H", 10, 0x22), LEAF_ERROR),
        (2, lambda page: damage_header(page, "<H", 12, 16), LEAF_ERROR),
        (2, lambda page: damage_header(page, "<H", 12, 21), LEAF_ERROR),
        (2, lambda page: damage_header(page, "<H", 12, 4000), LEAF_ERROR),
        (2, lambda page: damage_header(page, "<H", 14, 5000), LEAF_ERROR),
        (2, lambda page: damage_header(page, "<H", 16, 20), OUT_OF_PAGE),
        (2, lambda page: damage_header(page, "<H", 16, 4095), OUT_OF_PAGE),
        (2, lambda page: damage_header(page, "<H", 16, 65534), OUT_OF_PAGE),
        (2, lambda page: damage_node(page, "<H", 6, 4000), OUT_OF_PAGE),
        (2, lambda page: damage_node(page, "<H", 0, 4000), "is damaged: page 2 has entries that reach out of it"),
        (2, lambda page: damage_node(page, "<I", 0, 2**32 - 1), "is damaged: page 2 has entries that reach out of it"),
        (2, lambda page: damage_node(page, "<H", 4, 4), "is damaged: an entry is neither a record nor a database"),
        (2, lambda page: damage_node(page, "<H", 4, 1), r"is damaged: a value of \d+ bytes would begin on page \d+"),
        (1, lambda page: damage_header(page, "<H", 10, 2), "is damaged: page .* is not the branch page"),
        (1, lambda page: damage_node(page, "<I", 0, 0), r"is damaged: a branch leads to page 0 of \d+"),
        (1, lambda page: damage_node(page, "<I", 0, 2**31), r"is damaged: a branch leads to page 2147483648 of"),
        (1, lambda page: damage_node(page, "<H", 4, 0xFFFF), r"is damaged: a branch leads to page \d+ of"),
        (1, lambda page: damage_node(page, "<I", 0, page), "is damaged: page .* is not the leaf page"),
        (1, same_child, "is damaged: several branches lead to one page"),
        (4, lambda page: damage_header(page, "<H", 10, 2), "is damaged: page .* is not the overflow page"),
        (4, lambda page: damage_header(page, "<Q", 0, 2), "is damaged: page .* is not the overflow page"),
        (4, lambda page: damage_header(page, "<I", 12, 2), "is damaged: page .* is not the overflow page"),
        (2, swap, "is damaged: page .* is not the leaf page"),
        (2, lambda page: damage_meta(40, "<Q", 1), "is damaged: its tree begins at page 1 of"),
        (2, lambda page: damage_meta(40, "<Q", 2**40), "is damaged: its tree begins at page 1099511627776 of"),
        (2, lambda page: damage_meta(40, "<Q", NO_PAGE), "is damaged: 120 records are counted in it, and its tree"),
        (2, lambda page: damage_meta(6, "<H", 33), "is damaged: its tree begins at page .* and has 33 levels"),
        (2, lambda page: damage_meta(6, "<H", 1), "is damaged: page .* is not the leaf page"),
        (2, lambda page: damage_meta(6, "<H", 3), "is damaged: page .* is not the branch page"),
        (2, lambda page: damage_meta(32, "<Q", 121), "is damaged: 121 records are counted in it, but 120 were found"),
        (2, lambda page: damage_meta(32, "<Q", 119), "is damaged: 119 records are counted in it, but 120 were found"),
    ],
)  # fmt: skip
def test_damage(folder, kind, change, message):
    rewrite(folder, change(find(folder, kind)))
    with pytest.raises(DataError, match=message + ".*; copy or make it again$"):
        LmdbReader(folder).read(121)


def test_a_value_larger_than_memory(tmp_path, monkeypatch):
    """A sparse file may hold any."""
    size = 2**32 - 4096
    (tmp_path / "data.mdb").write_bytes(build(PAGE, [(b"0000", b"x" * 5000)]))
    rewrite(tmp_path, lambda content: struct.pack_into("<I", content, node(content, 3, 0), size))
    rewrite(tmp_path, lambda content: struct.pack_into("<I", content, 4 * PAGE + 12, size // PAGE + 1))
    rewrite(tmp_path, lambda content: [struct.pack_into("<Q", content, at + 136, 2**21) for at in (0, PAGE)])
    with (tmp_path / "data.mdb").open("r+b") as file:
        file.truncate((2**21 + 1) * PAGE)
    monkeypatch.setattr("caffelite.core.data.lmdb_pages.available", lambda: 2**30)
    with pytest.raises(DataError, match=r"data.mdb has values of 4\.0 GiB, and 1\.0 GiB of memory are available"):
        LmdbReader(tmp_path).read(1)


# Damages databases in many ways for some seconds. Answers are records or CaffeliteErrors; whatever else ends it.
FUZZ = """
import faulthandler, os, random, resource, sys, time
from pathlib import Path
from caffelite.core.data.database import Database
from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import CaffeliteError

resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
folder, seconds, seed = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
wholes = [path.read_bytes() for path in sorted(folder.glob("whole*/data.mdb"))]
work = folder / "damaged"
work.mkdir()
read = refused = 0
end = time.monotonic() + seconds
while time.monotonic() < end:
    rng = random.Random(seed)
    content = bytearray(rng.choice(wholes))
    pages = len(content) // 4096
    page = rng.choice([0, 1, rng.randrange(pages), rng.randrange(pages)]) * 4096
    kind = rng.randrange(7)
    if kind == 0:
        for _ in range(rng.randrange(1, 20)):
            content[rng.randrange(len(content))] = rng.randrange(256)
    elif kind == 1:
        content[page + rng.randrange(rng.choice([60, 200, 4096]))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        content[page : page + 4096] = bytes(4096)
    elif kind == 3:
        other = rng.randrange(pages) * 4096
        content[page : page + 4096], content[other : other + 4096] = (
            content[other : other + 4096], content[page : page + 4096])
    elif kind == 4:
        del content[rng.randrange(len(content)):]
    elif kind == 5:
        at = page + 2 * rng.randrange(100)
        number = rng.choice([0, 1, 2**15, 2**16 - 1, 2**31, 2**48 - 1, 2**63, 2**64 - 1])
        content[at : at + 8] = number.to_bytes(8, "little")
    else:
        content[page + rng.randrange(4096):] = bytes(len(content))[: rng.randrange(len(content))]
    (work / "data.mdb").write_bytes(content)
    faulthandler.dump_traceback_later(20, exit=True)
    try:
        database = Database(LmdbReader(work), DatumReader("fuzz"))
        count = min(database.count, 3000)
        if rng.random() < 0.3:
            database.read(range(rng.randrange(count), count + 1))
        database.read(range(count // 2))
        if rng.random() < 0.2:
            os.truncate(work / "data.mdb", rng.randrange(len(content) + 1))
        database.read(range(count // 2, count))
        read += 1
    except CaffeliteError:
        refused += 1
    except BaseException:
        print("seed", seed, file=sys.stderr)
        raise
    os.remove(work / "data.mdb")
    seed += 1
print(read, refused)
"""


@pytest.mark.parametrize(
    ("seconds", "seed"),
    [pytest.param(30, 1, marks=pytest.mark.slow), pytest.param(3600, 10**6, marks=pytest.mark.soak)],
)
def test_damaged_databases_are_read_or_refused(tmp_path, seconds, seed):
    rng = random.Random(seed)
    for number, longest in enumerate([30, 800, 3000, 70000]):
        count = 60 if longest > 3000 else 1500
        sizes = [longest] * count if number % 2 else [rng.randrange(1, longest) for _ in range(count)]
        values = (
            Datum(channels=1, height=1, width=size, data=rng.randbytes(size), label=index).SerializeToString()
            for index, size in enumerate(sizes)
        )
        write_lmdb(tmp_path / f"whole{number}", ((b"%07d" % index, value) for index, value in enumerate(values)))
    run = subprocess.run(
        [sys.executable, "-c", FUZZ, tmp_path, str(seconds), str(seed)],
        capture_output=True,
        text=True,
        timeout=seconds + 120,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    read, refused = map(int, run.stdout.split())
    assert read > seconds / 2
    assert refused > seconds


def test_rows_of_several_portions_are_one_array(tmp_path):
    """A portion ends in the middle of the 300 that are asked for."""
    records = [(b"%05d" % index, b"%05d" % index * 100) for index in range(6000)]
    write_lmdb(tmp_path / "db", records)
    reader = LmdbReader(tmp_path / "db")
    for first in range(0, 6000, 300):
        (rows,) = reader.read_rows(300)
        wanted = records[first : first + 300]
        assert rows.keys == [key for key, _ in wanted]
        assert rows.values.tobytes() == b"".join(value for _, value in wanted)


@pytest.mark.parametrize(("kernel", "size"), [("read_nodes", 400), ("read_values", 20000)])
def test_reading_goes_on_behind_a_signal(tmp_path, monkeypatch, kernel, size):
    """On some file systems a call ends with EINTR then; Python's own calls are made again by Python."""
    records = [(b"%04d" % index, b"x" * size) for index in range(20)]
    write_lmdb(tmp_path / "db", records)
    whole, calls = getattr(lmdb_file, kernel), []

    def interrupted(*args):
        calls.append(args)
        if len(calls) != 1:
            return whole(*args)
        return (0, 0, UNREADABLE) if kernel == "read_nodes" else (0, UNREADABLE)

    monkeypatch.setattr(lmdb_file, kernel, interrupted)
    assert LmdbReader(tmp_path / "db").read(20) == records
    assert len(calls) > 1


def test_refuses_a_page_with_more_entries_than_have_room(tmp_path):
    """Entries that lie on each other; pages are as large as they can be, so that there are more than are kept."""
    page = bytearray(1 << 15)
    entries = (len(page) - 32) // 2
    page[10:16] = struct.pack("<HHH", LEAF, 16 + 2 * entries, len(page) - 16)
    page[16 : 16 + 2 * entries] = struct.pack("<H", len(page) - 16) * entries
    (tmp_path / "data.mdb").write_bytes(page)
    with pytest.raises(DataError, match="page 0 has entries that reach out of it"):
        PageFile(tmp_path / "data.mdb").read_nodes(np.array([0]), len(page), LEAF, new_memory())
