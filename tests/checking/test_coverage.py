import pytest

from caffelite.checking.coverage import uncovered
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.parse import parse_net
from caffelite.datasets import make

TEXT = 'state {{ phase: TEST }} layer {{ name: "d" type: "Data" data_param {{ source: "{}" batch_size: {} }} }}'


def told(source, batch_size, test_iter, folder=None, text=TEXT):
    draft = Draft.of(*parse_net(text.format(source, batch_size), "net.prototxt"))
    return list(uncovered(draft, folder, test_iter, "solver.prototxt:2: "))


HDF5 = (
    'state {{ phase: TEST }} layer {{ name: "d" type: "HDF5Data" top: "data" top: "label" '
    'hdf5_data_param {{ source: "{}" batch_size: {} }} }}'
)


@pytest.mark.parametrize(
    ("batch_size", "test_iter", "expected"),
    [
        (100, 100, ""),
        (64, 157, ""),  # the last batch begins again
        (64, 156, "sees 9984 of the 10000 records"),
        (100, 50, "sees 5000 of the 10000 records"),
        (64, 158, "goes on to 10112 where there are 10000 records"),
        (0, 1, ""),  # which the layer refuses
    ],
)
def test_a_known_set_that_is_not_there(batch_size, test_iter, expected):
    found = told("data/mnist_test_lmdb", batch_size, test_iter)
    assert len(found) == bool(expected)
    for text in found:
        assert text.startswith(f"solver.prototxt:2: test_iter is {test_iter}; with batch_size {batch_size} in ")
        assert f'a test {expected} of "data/mnist_test_lmdb": write {-(-10000 // batch_size)}' in text


def test_a_set_that_is_there(tmp_path):
    make("digits", tmp_path)
    assert told("digits_test_lmdb", 60, 6, tmp_path) == []
    assert "sees 300 of the 360 records" in told("digits_test_lmdb", 60, 5, tmp_path)[0]


def test_nothing_is_said_of_a_set_of_unknown_size(tmp_path):
    assert told("my_lmdb", 60, 5, tmp_path) == []
    (tmp_path / "my_lmdb").mkdir()
    assert told("my_lmdb", 60, 5, tmp_path) == []


def test_rows_of_hdf5_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "sees 20 of the 30 records" in told("data/iris_test.txt", 10, 2, text=HDF5)[0]
    make("iris", "data")
    assert told("data/iris_test.txt", 10, 3, text=HDF5) == []
    assert "goes on to 40 where there are 30" in told("data/iris_test.txt", 10, 4, text=HDF5)[0]
    (tmp_path / "list").write_text("data/iris_test.h5 missing.h5")
    assert told("list", 10, 2, text=HDF5) == told("none", 10, 2, text=HDF5) == []
