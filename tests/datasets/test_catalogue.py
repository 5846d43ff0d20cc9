import subprocess
import sys

import pytest

from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import UnknownNameError, UsageError
from caffelite.datasets import DATASETS, command_for, fetch, make, make_if_included, records_of


def test_there_are():
    assert list(DATASETS) == [
        "cifar10",
        "digits",
        "digits_siamese",
        "fashion_mnist",
        "hdf5_classification",
        "iris",
        "mnist",
        "mnist_siamese",
    ]


def test_make_returns_the_paths(tmp_path):
    paths = make("digits", tmp_path)
    assert paths == [tmp_path / "digits_train_lmdb", tmp_path / "digits_test_lmdb"]
    assert all(path.is_dir() for path in paths)


class Small:
    """A data set of two files; notes for which it is asked."""

    original_sizes = {"a": 3, "b": 2}  # noqa: RUF012
    asked = ()

    def read_originals(self, names, source, url):
        """Give them."""
        self.asked = (list(names), source, url)
        return ((name, b"new"[: self.original_sizes[name]]) for name in names)


def test_fetch(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "caffelite")
    small, out = Small(), tmp_path / "new" / "out"
    monkeypatch.setitem(DATASETS._members, "mnist", DATASETS["mnist"]._replace(originals=small))
    assert fetch("mnist", out, url="http://x") == [out / "a", out / "b"]
    assert small.asked == (["a", "b"], None, "http://x")
    (out / "a").write_bytes(b"old")
    (out / "b").write_bytes(b"cut short")
    assert fetch("mnist", out, tmp_path) == [out / "a", out / "b"]
    assert small.asked == (["b"], tmp_path, None)
    assert [(out / name).read_bytes() for name in "ab"] == [b"old", b"ne"]
    assert caplog.messages == [f"{out / 'a'} is already there; left alone"]


def test_fetch_refuses(tmp_path):
    with pytest.raises(UsageError, match="digits has no original files .* alone; use cifar10, fashion_mnist or mnist"):
        fetch("digits", tmp_path)
    with pytest.raises(UsageError, match="not both"):
        fetch("mnist", tmp_path, tmp_path, "http://x")


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("data/digits_train_lmdb", "caffelite dataset digits"),
        ("./data/fashion_mnist_test_lmdb/", "caffelite dataset fashion_mnist"),
        ("data/cifar10_mean.binaryproto", "caffelite dataset cifar10"),
        ("data/mnist_siamese_train_lmdb", "caffelite dataset mnist_siamese"),
        ("data/iris_test.txt", "caffelite dataset iris"),
        ("data/other_lmdb", ""),
        ("digits_train_lmdb", ""),
        ("/data/digits_train_lmdb", ""),
    ],
)
def test_command_for(source, command):
    assert command_for(source) == command


def test_make_if_included(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not make_if_included("data/mnist_train_lmdb")
    assert not make_if_included("elsewhere/digits_train_lmdb")
    assert list(tmp_path.iterdir()) == []
    assert make_if_included("data/digits_test_lmdb")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["digits_test_lmdb", "digits_train_lmdb"]


def test_pairs_of_digits_are_included(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert make_if_included("data/digits_siamese_test_lmdb")
    images = LmdbReader(tmp_path / "data/digits_test_lmdb").entries
    pairs = [LmdbReader(tmp_path / f"data/digits_siamese_{part}_lmdb").entries for part in ("train", "test")]
    assert (images, pairs) == (360, [10000, 2000])


def test_refuses(tmp_path):
    with pytest.raises(UnknownNameError, match=r'Unknown data set: mnits; did you mean "mnist"\?'):
        make("mnits", tmp_path)
    with pytest.raises(UsageError, match="digits comes with caffelite: leave --source and --url out"):
        make("digits", tmp_path, source=tmp_path)
    with pytest.raises(UsageError, match="not both"):
        make("mnist", tmp_path, source=tmp_path, url="http://127.0.0.1")


def test_needs_no_kernels():
    script = "import sys, caffelite.datasets; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_records_of_what_is_not_there():
    assert records_of("data/mnist_test_lmdb") == (10000, (1, 28, 28))
    assert records_of("data/fashion_mnist_train_lmdb") == (60000, (1, 28, 28))
    assert records_of("data/cifar10_train_lmdb") == (50000, (3, 32, 32))
    assert records_of("data/mnist_siamese_train_lmdb") == (60000, (2, 28, 28))
    assert records_of("data/iris_train.txt") == (120, (4,))
    assert records_of("data/cifar10_mean.binaryproto") is None
    assert records_of("mnist_test_lmdb") is None


def test_records_are_those_of_the_made_databases(tmp_path):
    for name in ("digits", "digits_siamese"):
        for path in make(name, tmp_path):
            reader = LmdbReader(path)
            shape = DatumReader(str(path)).read(*reader.read(1)[0])[0].shape
            assert records_of(f"data/{path.name}") == (reader.entries, shape)
