from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelite.core.data.mean import read_mean, write_mean
from caffelite.core.errors import WeightsError


def test_a_mean_file_that_caffe_wrote_and_the_same_in_hdf5(golden_folder, tmp_path):
    mean = read_mean(golden_folder / "data" / "mean.binaryproto")
    assert (mean.ndim, mean.dtype) == (4, np.float32)
    for name, values in (("four", mean), ("three", mean[0])):
        with h5py.File(tmp_path / name, "w") as root:
            root["mean"] = values
        np.testing.assert_array_equal(read_mean(tmp_path / name), mean)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text").write_bytes(b"\x0a\xff")
    with pytest.raises(WeightsError):
        read_mean(tmp_path / "text")
    with h5py.File(tmp_path / "two", "w") as root:
        root["a"], root["b"] = [1], [2]
    with pytest.raises(WeightsError, match="an HDF5 mean file holds one dataset, this one has 2"):
        read_mean(tmp_path / "two")


def test_devices_and_pipes_are_not_read():
    with pytest.raises(OSError, match="it is a device, pipe or socket"):
        read_mean(Path("/dev/null"))


def test_writes_the_bytes_of_compute_image_mean(tmp_path):
    """Case 5 of the specification."""
    write_mean(tmp_path / "mean", np.array([[[0.5, 127.5]]], np.float32))
    assert (tmp_path / "mean").read_bytes().hex() == "0801100118012002" + "2a080000003f0000ff42"
    with pytest.raises(WeightsError, match="cannot write .*nowhere/mean: there is no folder"):
        write_mean(tmp_path / "nowhere" / "mean", np.zeros((1, 1, 1), np.float32))
