import h5py
import numpy as np
import pytest

from caffelite.core.data.hdf5_list import read_hdf5_list
from caffelite.core.errors import DataError
from caffelite.datasets.rows import CLUSTERS, IRIS


def read(path):
    with h5py.File(path) as file:
        return file["data"][...], file["label"][...]


@pytest.mark.parametrize("rows", [IRIS, CLUSTERS], ids=lambda rows: rows.name)
def test_files_hold_what_is_said_of_them(tmp_path, rows):
    rows.make(tmp_path / "data")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == sorted(rows.names)
    for name, (count, shape) in rows.records.items():
        (file,) = read_hdf5_list(tmp_path / "data" / name)
        data, labels = read(tmp_path / "data" / file)
        assert data.shape == (count, *shape) and labels.shape == (count,)


def test_the_flowers(tmp_path):
    IRIS.make(tmp_path)
    parts = [read(tmp_path / f"iris_{part}.h5") for part in ("train", "test")]
    data, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    assert np.bincount(labels.astype(int)).tolist() == [50, 50, 50]
    assert np.bincount(parts[1][1].astype(int)).tolist() == [10, 10, 10]
    # the summary that comes with the table everywhere
    np.testing.assert_allclose(data.mean(axis=0), [5.8433, 3.0573, 3.758, 1.1993], atol=1e-4)
    np.testing.assert_allclose(data.min(axis=0), [4.3, 2.0, 1.0, 0.1])
    np.testing.assert_allclose(data.max(axis=0), [7.9, 4.4, 6.9, 2.5])


def test_no_line_divides_the_points(tmp_path):
    CLUSTERS.make(tmp_path)
    data, labels = read(tmp_path / "hdf5_classification_train.h5")
    assert 0.45 < labels.mean() < 0.55
    columns = np.c_[data, np.ones(len(data))]
    line = np.linalg.lstsq(columns, 2 * labels - 1, rcond=None)[0]
    assert ((columns @ line > 0) == labels).mean() < 0.65


def test_what_is_there_is_left_alone_and_what_is_missing_made(tmp_path, caplog):
    caplog.set_level("INFO")
    IRIS.make(tmp_path)
    (tmp_path / "iris_test.txt").unlink()
    kept = (tmp_path / "iris_train.h5").stat().st_mtime_ns
    caplog.clear()
    IRIS.make(tmp_path)
    assert (tmp_path / "iris_train.h5").stat().st_mtime_ns == kept
    assert caplog.messages == [
        f"{tmp_path}/iris_train.txt is already there (120 rows); left alone",
        f"Writing {tmp_path}/iris_test.txt (30 rows)",
    ]
    CLUSTERS.make(tmp_path)
    (tmp_path / "iris_test.h5").write_bytes((tmp_path / "hdf5_classification_test.h5").read_bytes())
    with pytest.raises(DataError, match=r"iris_test\.h5 holds 2500 rows instead of 30; delete it and make it again"):
        IRIS.make(tmp_path)
