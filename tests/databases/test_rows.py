import h5py
import numpy as np
import pytest

from caffelite.core.errors import DataError
from caffelite.databases.rows import Rows


def all_of(rows, **how):
    return [record for part in rows.portions(0, rows.count, **how) for record in part]


def test_a_file(rows):
    records = all_of(Rows(rows("a.h5", 7)), pixels=True)
    with h5py.File(rows("a.h5", 7)) as file:
        assert np.array_equal(np.stack([record.pixels for record in records]), file["data"])
    assert [record.labels for record in records] == [(number % 3,) for number in range(7)]
    assert {(record.shape, record.form, record.size) for record in records} == {((3, 4, 5), "float32", 248)}
    assert Rows(rows("a.h5", 7)).facts() == [
        ("dataset", "data: 7 x 3 x 4 x 5 float32"),
        ("dataset", "label: 7 float64"),
    ]


def test_a_list_with_bad_files(rows, tmp_path):
    rows("a.h5", 3), rows("b.h5", 2), rows("c.h5", 2, data=np.zeros((2, 5)))
    (tmp_path / "d.h5").write_bytes(b"nothing")
    (tmp_path / "list.txt").write_text("a.h5 b.h5 c.h5 d.h5 missing.h5 a.h5")
    found = Rows(tmp_path / "list.txt")
    assert [record.key for record in all_of(found)] == [
        *("a.h5:0", "a.h5:1", "a.h5:2", "b.h5:0", "b.h5:1", "a.h5:0", "a.h5:1", "a.h5:2")
    ]
    assert dict(found.facts())["files"] == "6"
    problems = {name.rpartition("/")[2]: problem for name, problem in found.broken}
    assert sorted(problems) == ["c.h5", "d.h5", "missing.h5"]
    assert problems["c.h5"].startswith("rows of dataset data are 5 (5), and in ")
    assert "is no HDF5 file" in problems["d.h5"] and "no such file" in problems["missing.h5"]


def test_nan(rows):
    data = np.zeros((4, 3, 4, 5), np.float32)
    data[2, 1, 0, 0] = np.nan
    records = all_of(Rows(rows("a.h5", 4, data=data)))
    problems = [record.problem for record in records]
    assert problems == ["", "", "dataset data holds nan or infinite values", ""]


def test_a_damaged_chunk_is_passed_over(tmp_path):
    path = tmp_path / "a.h5"
    values = np.random.default_rng(0).integers(0, 9, (40, 50)).astype(np.float32)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("data", data=values, chunks=(10, 50), compression="gzip")
        chunk = dataset.id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 20 : chunk.byte_offset + 60] = b"\xaa" * 40
    path.write_bytes(content)
    records = all_of(Rows(path))
    assert sum(record.number for record in records) == 40
    (bad,) = [record for record in records if record.problem]
    assert (bad.place, bad.number, bad.key) == (20, 10, "records 20 to 29")
    assert bad.problem.startswith("dataset data cannot be read")


def test_no_dataset_of_numbers(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["words"] = "abc"
        file.create_group("data")
    with pytest.raises(DataError, match="has no dataset of numbers in its root"):
        Rows(tmp_path / "a.h5")
