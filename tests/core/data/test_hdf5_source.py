import h5py
import numpy as np
import pytest

from caffelite.core.data import hdf5_source
from caffelite.core.data.hdf5_rows import Hdf5Rows
from caffelite.core.data.hdf5_source import Hdf5Source
from caffelite.core.errors import NetError

SIZES = (50, 7, 301)


@pytest.fixture
def files(tmp_path):
    """Files whose rows hold, in two datasets, the number of the file and that of the row."""
    found = []
    for number, size in enumerate(SIZES):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["file"] = np.full(size, number)
            file.create_dataset("row", data=np.arange(size), chunks=(min(size, 20),))
        found.append(Hdf5Rows(tmp_path / f"{number}.h5", ["file", "row"]))
    yield found
    for file in found:
        file.close()


def read(source, positions):
    parts = source.read(positions)
    return [pair for part in parts for pair in zip(*(values.tolist() for values in part.arrays), strict=True)]


ALL = [(number, row) for number, size in enumerate(SIZES) for row in range(size)]


def test_in_order(files):
    source = Hdf5Source(files, False, 1, "rows")
    assert source.count == sum(SIZES) and source.row_bytes == 16
    assert read(source, range(2 * len(ALL))) == ALL * 2
    assert read(source, range(40, 400, 9)) == (ALL * 2)[40:400:9]
    assert read(source, range(10**15 * len(ALL) + 3, 10**15 * len(ALL) + 5)) == ALL[3:5]
    assert read(source, range(0)) == []
    source.close()


@pytest.mark.parametrize("window", [1, 100, 16 * 33, 1 << 20])
def test_shuffled_is_the_same_however_it_is_read(files, window, monkeypatch):
    whole = read(Hdf5Source(files, True, 1, "rows"), range(3 * len(ALL)))
    for start in range(0, len(whole), len(ALL)):
        part = whole[start : start + len(ALL)]
        assert sorted(part) == ALL
        changes = sum(one[0] != other[0] for one, other in zip(part, part[1:], strict=False))
        assert changes == len(SIZES) - 1  # rows of one file stay together
    monkeypatch.setattr(hdf5_source, "WINDOW_BYTES", window)
    for step, size in ((1, 11), (1, 400), (3, 8)):
        source = Hdf5Source(files, True, 1, "rows")
        positions = range(2, len(whole), step)
        pieces = [read(source, positions[at : at + size]) for at in range(0, len(positions), size)]
        assert sum(pieces, []) == whole[2::step]
        source.close()


def test_a_window_of_shuffled_rows_is_read_at_once(files, monkeypatch):
    reads = []
    inner = Hdf5Rows.read
    monkeypatch.setattr(Hdf5Rows, "read", lambda self, rows: reads.append(len(rows)) or inner(self, rows))
    source = Hdf5Source(files[2:], True, 1, "rows")
    for start in range(0, 602, 7):
        read(source, range(start, start + 7))
    assert reads == [301, 301]  # a round each
    monkeypatch.setattr(hdf5_source, "WINDOW_BYTES", 16 * 100)
    reads.clear()
    source = Hdf5Source(files[2:], True, 1, "rows")
    for start in range(0, 301, 7):
        read(source, range(start, start + 7))
    assert max(reads) == 100 and len(reads) <= 5
    source.close()


def test_orders_belong_to_seed_name_and_round(files):
    first = read(Hdf5Source(files, True, 1, "rows"), range(len(ALL)))
    source = Hdf5Source(files, True, 2, "rows")
    assert read(source, range(len(ALL))) != first
    source.set_seed(1)
    assert read(source, range(len(ALL))) == first
    assert read(source, range(len(ALL), 2 * len(ALL))) != first
    assert read(Hdf5Source(files, True, 1, "other"), range(len(ALL))) != first
    source.close()


def test_one_file_is_open_at_a_time(files):
    source = Hdf5Source(files, False, 1, "rows")
    source.read(range(len(ALL)))
    assert [file._root is not None for file in files] == [False, False, True]
    source.close()
    assert files[2]._root is None


def test_a_shuffle_that_memory_cannot_hold_is_refused(files, monkeypatch):
    monkeypatch.setattr(hdf5_source.container, "available", lambda: 1000)
    with pytest.raises(NetError, match=r"shuffling the \d+ rows of .*h5 needs"):
        Hdf5Source(files[2:], True, 1, "rows").read(range(1))
