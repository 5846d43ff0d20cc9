import h5py
import numpy as np
import pytest

from caffelite.core.errors import DataError, UsageError
from caffelite.tools.convert_csv import convert_csv


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("x,y,kind\n" + "".join(f"{i},{i * i},{'ab'[i % 2]}\n" for i in range(10)))
    return path


def read(path):
    with h5py.File(path) as file:
        return file["data"][...].tolist(), file["label"][...].tolist()


def test_one_file(table, tmp_path):
    assert convert_csv(table, tmp_path / "all") == [tmp_path / "all.txt"]
    data, labels = read(tmp_path / "all.h5")
    assert data == [[i, i * i] for i in range(10)]
    assert labels == [0, 1] * 5


def test_two_parts(table, tmp_path, caplog):
    caplog.set_level("INFO")
    lists = convert_csv(table, tmp_path / "part", "kind", 0.4)
    assert lists == [tmp_path / "part_train.txt", tmp_path / "part_test.txt"]
    train, test = (read(tmp_path / f"part_{name}.h5") for name in ("train", "test"))
    assert [row[0] for row in test[0]] == [4, 5, 8, 9] and test[1] == [0, 1, 0, 1]
    assert sorted(row[0] for row in train[0] + test[0]) == list(range(10))
    assert caplog.messages[:3] == [
        f"{table}: 10 rows of 2 features: x, y",
        "label 0: a (5 rows)",
        "label 1: b (5 rows)",
    ]
    assert caplog.messages[-1] == f"{lists[1]}: 4 rows"


@pytest.mark.parametrize("share", [-0.1, 1, np.nan])
def test_refuses_shares(table, tmp_path, share):
    with pytest.raises(UsageError, match="give the share of the rows that are for testing, 0 to below 1"):
        convert_csv(table, tmp_path / "a", "", share)


def test_refuses_a_share_that_leaves_a_part_empty(table, tmp_path):
    with pytest.raises(DataError, match=r"no row is left to test with test 0.1 of 10 rows"):
        convert_csv(table, tmp_path / "a", "", 0.1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.csv"]
