"""HDF5 files and lists of them that cannot be used, through the command line: one line each, and exit status 1."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelite.core.weights.hdf5_safety import trust

NET = """layer { name: "rows" type: "HDF5Data" top: "data" top: "label"
  hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "constant" value: 0.1 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def write(name, **datasets):
    with h5py.File(name, "w") as file:
        for dataset, values in datasets.items():
            file[dataset] = values
    trust(name)  # the check, another process, takes its time


@pytest.fixture
def rows(folder):
    """A net that reads a.h5, of 9 rows."""
    (folder / "net.prototxt").write_text(NET)
    write("a.h5", data=np.zeros((9, 3)), label=np.arange(9) % 2)
    Path("list.txt").write_text("a.h5\n")


def cut():
    write("a.h5", data=np.zeros((9, 3)), label=np.zeros(9))
    Path("a.h5").write_bytes(Path("a.h5").read_bytes()[:-20])


def two(**datasets):
    write("b.h5", **datasets)
    Path("list.txt").write_text("a.h5 b.h5")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda: Path("list.txt").unlink(), "Failed to open source file: there is no such file (tried "),
        (lambda: Path("list.txt").write_text("\n"), "Must have at least 1 HDF5 filename listed in list.txt"),
        (lambda: Path("a.h5").unlink(), "Failed opening HDF5 file: there is no such file (tried "),
        (lambda: Path("a.h5").write_text("text"), "Failed opening HDF5 file: a.h5 is no HDF5 file"),
        (cut, "Failed opening HDF5 file: a.h5 is damaged or was not copied completely (OSError"),
        (lambda: write("a.h5", data=np.zeros((9, 3))), "a.h5: Failed to find HDF5 dataset label; each top reads the"),
        (
            lambda: write("a.h5", data=np.zeros((9, 3)), label=np.zeros(8)),
            "a.h5: the datasets must have the same number of rows (their first axis), but data has 9, label has 8",
        ),
        (
            lambda: write("a.h5", data=np.zeros((2, 3)), label=np.array([b"a", b"b"])),
            "a.h5: dataset label: Unsupported datatype class: H5T_STRING; write integers or floats into it",
        ),
        (lambda: write("a.h5", data=np.zeros((0, 3)), label=np.zeros(0)), "a.h5: the datasets have 0 rows; leave the"),
        (
            lambda: two(data=np.zeros((2, 4)), label=np.zeros(2)),
            "b.h5: rows of dataset data are 4 (4), and in a.h5 they are 3 (3); all files of a list must have rows of",
        ),
    ],
)
def test_files_and_lists(rows, caffelite, spoil, message):
    assert caffelite("train", "--solver=solver.prototxt").status == 0
    spoil()
    result = caffelite("train", "--solver=solver.prototxt")
    assert (result.status, result.out) == (1, "")
    assert 'net.prototxt:2: layer "rows" (HDF5Data): hdf5_data_param.source is "list.txt"; ' in result.error
    assert message in result.error


def test_transform_param_for_what_is_no_image(rows, caffelite, folder):
    (folder / "net.prototxt").write_text(NET.replace("batch_size: 4 }", "batch_size: 4 } transform_param { scale: 2 }"))
    result = caffelite("train", "--solver=solver.prototxt")
    assert result.status == 1
    assert 'layer "rows" (HDF5Data): transform_param is for the first top, "data", whose rows are 3 (3)' in result.error


def test_an_output_file_that_cannot_be_written(rows, caffelite, folder):
    output = 'layer { name: "out" type: "HDF5Output" bottom: "ip" bottom: "label"\n  hdf5_output_param { %s } }\n'
    for field, line, message in (
        ("", 7, "hdf5_output_param.file_name is missing; give the name of the file to write"),
        ('file_name: "."', 7, 'hdf5_output_param.file_name is "."; it is a folder; give the name of a file'),
        ('file_name: "a.h5/b.h5"', 6, "cannot write a.h5/b.h5: "),
    ):
        (folder / "net.prototxt").write_text(NET + output % field)
        result = caffelite("train", "--solver=solver.prototxt")
        assert result.status == 1
        assert f'net.prototxt:{line}: layer "out" (HDF5Output): ' in result.error and message in result.error
