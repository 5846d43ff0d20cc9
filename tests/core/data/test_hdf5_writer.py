import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelite.core.data.hdf5_writer import RowWriter
from caffelite.core.errors import DataError


def rows(start, count):
    return {"data": np.arange(start * 6, (start + count) * 6, dtype=np.float32).reshape(count, 2, 3, 1)}


def read(path):
    with h5py.File(path, "r") as file:
        return {name: dataset[...] for name, dataset in file.items()}


def test_rows_of_each_append_follow_those_before(tmp_path):
    writer = RowWriter(str(tmp_path / "new/folder/a.h5"))
    for start, count in ((0, 3), (3, 5000), (5003, 1)):
        writer.append(rows(start, count))
        np.testing.assert_equal(read(writer.path), rows(0, start + count))
    assert [path.name for path in writer.path.parent.iterdir()] == ["a.h5"]


def test_an_older_file_is_replaced_by_the_first_append(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("other")
    writer = RowWriter(str(path))
    assert path.read_text() == "other"
    writer.append(rows(0, 3))
    RowWriter(str(path)).append(rows(7, 2))
    np.testing.assert_equal(read(path), rows(7, 2))


def test_somebody_may_look_while_it_is_written(tmp_path):
    writer = RowWriter(str(tmp_path / "a.h5"))
    writer.append(rows(0, 3))
    looking = "import sys, h5py; file = h5py.File(sys.argv[1]); print(len(file['data']), flush=True); input()"
    reader = subprocess.Popen(
        [sys.executable, "-c", looking, writer.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout.readline() == "3\n"
    writer.append(rows(3, 3))
    reader.communicate("\n")
    np.testing.assert_equal(read(writer.path), rows(0, 6))


def test_a_resumed_run_overwrites_what_came_after_its_snapshot(tmp_path):
    path = str(tmp_path / "a.h5")
    first = RowWriter(path)
    for start in (0, 4, 8):
        first.append(rows(start, 4))
    resumed = RowWriter(path, 4)
    resumed.append(rows(50, 2))
    np.testing.assert_equal(read(path)["data"], np.concatenate([rows(0, 4)["data"], rows(50, 2)["data"]]))
    assert resumed.rows == 6


@pytest.mark.parametrize("there", [None, "few", "other", "text"])
def test_a_resumed_run_without_its_rows_begins_anew(tmp_path, there, caplog):
    path = tmp_path / "a.h5"
    if there == "text":
        path.write_text("text")
    elif there == "few":
        RowWriter(str(path)).append(rows(0, 3))
    elif there == "other":
        RowWriter(str(path)).append({"data": np.zeros((9, 1))})
    RowWriter(str(path), 4).append(rows(1, 2))
    np.testing.assert_equal(read(path), rows(1, 2))
    assert "a.h5 does not hold the 4 rows any more" in caplog.text


def test_refuses_a_file_that_another_one_replaced_or_took_away(tmp_path):
    first, second = (RowWriter(str(tmp_path / "a.h5")) for _ in range(2))
    first.append(rows(0, 1))
    second.append(rows(1, 1))
    with pytest.raises(DataError, match="another program or layer has written a file of that name; each HDF5Output"):
        first.append(rows(2, 1))
    np.testing.assert_equal(read(second.path), rows(1, 1))
    second.path.unlink()
    with pytest.raises(DataError, match="is gone, or"):
        second.append(rows(2, 1))


def test_refuses_rows_of_another_shape(tmp_path):
    writer = RowWriter(str(tmp_path / "a.h5"))
    writer.append(rows(0, 2))
    with pytest.raises(DataError, match=r"rows of dataset data are 2 3 1 \(6\), and those of this pass 5 \(5\)"):
        writer.append({"data": np.zeros((2, 5), np.float32)})


def test_says_why_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot write .*file/a.h5: .*(Not a directory|File exists)"):
        RowWriter(str(tmp_path / "file/a.h5")).append(rows(0, 1))
    if Path("/dev/full").exists():
        with pytest.raises(DataError, match="cannot write /dev/full: it is not a file"):
            RowWriter("/dev/full").append(rows(0, 1))


def test_a_killed_program_leaves_the_rows_before(tmp_path):
    program = """if True:
        import os, signal, sys, numpy as np
        from caffelite.core.data.hdf5_writer import RowWriter
        writer = RowWriter(sys.argv[1])
        for start in range(0, 2000, 100):
            writer.append({"data": np.arange(start, start + 100.0)})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    path = tmp_path / "a.h5"
    assert subprocess.run([sys.executable, "-c", program, path]).returncode == -9
    np.testing.assert_array_equal(read(path)["data"], np.arange(2000))
