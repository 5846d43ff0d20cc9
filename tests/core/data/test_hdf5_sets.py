import h5py
import numpy as np
import pytest

from caffelite.core.data.hdf5_sets import rows_for_testing, write_row_set
from caffelite.core.errors import DataError


def test_a_file_and_its_list(tmp_path):
    data, labels = np.arange(6, dtype=np.float32).reshape(3, 2), np.arange(3, dtype=np.float32)
    made = write_row_set(tmp_path / "new/set.v1", data, labels)
    assert made == tmp_path / "new/set.v1.txt"
    assert made.read_text() == "set.v1.h5\n"
    with h5py.File(tmp_path / "new/set.v1.h5") as file:
        np.testing.assert_array_equal(file["data"], data)
        np.testing.assert_array_equal(file["label"], labels)
    assert sorted(path.name for path in made.parent.iterdir()) == ["set.v1.h5", "set.v1.txt"]
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(DataError, match=r"cannot write .*folder\.h5: it is not a file"):
        write_row_set(tmp_path / "folder", data, labels)


def test_each_label_gives_its_share():
    labels = np.array([0] * 10 + [1] * 5 + [2] * 4)
    chosen = rows_for_testing(labels, 0.2)
    assert np.flatnonzero(chosen).tolist() == [4, 9, 14]
    assert np.bincount(labels[rows_for_testing(labels, 0.5)]).tolist() == [5, 2, 2]
    shuffled = np.random.default_rng(1).permutation(labels)
    assert np.bincount(shuffled[rows_for_testing(shuffled, 0.5)]).tolist() == [5, 2, 2]
