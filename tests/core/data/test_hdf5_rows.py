import subprocess
import sys

import h5py
import numpy as np
import pytest

from caffelite.core.data import hdf5_rows
from caffelite.core.data.hdf5_rows import Hdf5Rows, require_readable
from caffelite.core.errors import DataError

VALUES = np.arange(12000, dtype=np.int32).reshape(2000, 6)


@pytest.fixture(params=["contiguous", "chunked"])
def rows(request, tmp_path):
    options = {} if request.param == "contiguous" else {"chunks": (30, 4), "compression": "gzip"}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=VALUES, **options)
        file["label"] = VALUES[:, 0].astype(np.uint8)
    opened = Hdf5Rows(tmp_path / "a.h5", ["data", "label"])
    yield opened
    opened.close()


def test_what_is_known(rows):
    data, label = rows.datasets
    assert (rows.count, rows.row_bytes) == (2000, 25)
    assert (data.row_shape, data.dtype, label.row_shape, label.dtype) == ((6,), np.int32, (), np.uint8)
    assert (data.chunk_rows, data.chunk_bytes) in ((0, 0), (30, 480))


@pytest.mark.parametrize(
    "wanted", [[0], [1999], range(2000), range(5, 1800, 7), [0, 1, 2, 29, 30, 31, 700, 701, 1999], [3, 1500, 1501]]
)
def test_reads_ascending_rows(rows, wanted, monkeypatch):
    wanted = np.array(wanted)
    for block, gap in ((hdf5_rows.BLOCK_BYTES, hdf5_rows.GAP_BYTES), (24 * 40, 24 * 3), (1, 1)):
        monkeypatch.setattr(hdf5_rows, "BLOCK_BYTES", block)
        monkeypatch.setattr(hdf5_rows, "GAP_BYTES", gap)
        data, label = rows.read(wanted)
        np.testing.assert_array_equal(data, VALUES[wanted])
        np.testing.assert_array_equal(label, VALUES[wanted, 0].astype(np.uint8))
        assert (data.dtype, label.dtype) == (np.int32, np.uint8)


def groups(wanted, chunk_rows=0, row_bytes=24):
    known = hdf5_rows.DatasetRows("data", (row_bytes,), np.dtype(np.uint8), chunk_rows, 0)
    wanted = np.array(wanted)
    return [wanted[start:stop].tolist() for start, stop in hdf5_rows._groups(wanted, known)]


def test_rows_are_read_together_unless_much_lies_between_them():
    assert groups([5, 6, 7]) == [[5, 6, 7]]
    far = hdf5_rows.GAP_BYTES // 24 + 1
    assert groups([0, 3, 3 + far, 4 + far]) == [[0, 3], [3 + far, 4 + far]]
    assert groups([0, 1, 2], row_bytes=1 << 20) == [[0, 1, 2]]
    assert groups([0, 2, 4], row_bytes=1 << 20) == [[0], [2], [4]]


def test_a_chunk_is_unpacked_once_for_its_rows():
    assert groups([0, 99, 150, 251, 399, 400], chunk_rows=100) == [[0, 99, 150], [251], [399, 400]]


def test_no_call_reads_more_than_a_block():
    in_block = hdf5_rows.BLOCK_BYTES // (1 << 20)
    parts = groups(range(3 * in_block), row_bytes=1 << 20)
    assert [len(part) for part in parts] == [in_block] * 3
    parts = groups(range(3 * in_block), chunk_rows=5, row_bytes=1 << 20)
    assert all(part[0] % 5 == 0 for part in parts)


def test_more_rows_than_32_bits_count(tmp_path):
    count = 2**32 + 10
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (count,), np.uint8, chunks=(1 << 20,))[-3:] = [7, 8, 9]
    rows = Hdf5Rows(tmp_path / "a.h5", ["data"])
    assert rows.count == count
    assert rows.read(np.arange(count - 4, count))[0].tolist() == [0, 7, 8, 9]
    rows.close()


def test_a_file_that_is_gone_says_so(rows):
    rows.path.unlink()
    with pytest.raises(DataError, match="a.h5: it cannot be opened .*No such file"):
        rows.read(np.array([0]))


def test_a_chunk_that_memory_cannot_hold_is_refused(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (100, 1 << 20), np.float32, chunks=(100, 1 << 20))
    monkeypatch.setattr(hdf5_rows.container, "available", lambda: 1 << 25)
    with pytest.raises(DataError, match=r"a chunk of dataset data takes 400.0 MiB of memory, and 32.0 MiB are"):
        Hdf5Rows(tmp_path / "a.h5", ["data"])


def test_whether_files_are_safe_is_asked_without_their_values(tmp_path):
    paths = [tmp_path / "large.h5", tmp_path / "cut.h5"]
    with h5py.File(paths[0], "w") as file:  # to look at 2^40 values would take longer than the check may
        file.create_dataset("data", (2**40,), np.uint8, chunks=(1 << 16,))
    paths[1].write_bytes(paths[0].read_bytes()[:-9])
    require_readable(paths[:1], ["data"])
    with pytest.raises(DataError, match=r"Failed opening HDF5 file: .*cut.h5 is damaged .*truncated"):
        require_readable(paths, ["data"])


FORKING = """
import os, sys, time
from pathlib import Path
import numpy as np
from caffelite.core.data.hdf5_rows import Hdf5Rows
from caffelite.core.data.prefetch import Prefetcher

rows = Hdf5Rows(Path(sys.argv[1]), ["data"])
kept = Prefetcher(lambda buffer: rows.read(np.arange(5)) and None, [[None] for _ in range(4)])
longest = 0.0
for _ in range(40):
    with kept.batch():
        pass
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        os._exit(0)
    longest = max(longest, time.perf_counter() - start)
    os.waitpid(child, 0)
kept.close()
print(longest)
"""


def test_a_fork_does_not_wait_for_a_thread_that_waits_for_h5py(tmp_path):
    """h5py holds its lock while the process forks; waiting for the reading thread then would take 5 seconds."""
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["data"] = np.zeros((5, 2))
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", FORKING, tmp_path / "rows.h5"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stderr) == (0, "")
    assert float(run.stdout) < 4
