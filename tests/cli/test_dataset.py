import pytest

from caffelite.cli import main
from caffelite.core.data.lmdb_reader import LmdbReader


def test_lists_what_there_is(capsys):
    assert main(["dataset"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [
        "cifar10",
        "digits",
        "digits_siamese",
        "fashion_mnist",
        "hdf5_classification",
        "iris",
        "mnist",
        "mnist_siamese",
    ]
    assert [line.split()[0] for line in lines] == names


def test_makes_databases_in_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["dataset", "digits"]) == 0
    assert capsys.readouterr().out == "data/digits_train_lmdb\ndata/digits_test_lmdb\n"
    assert LmdbReader(tmp_path / "data" / "digits_test_lmdb").entries == 360


def test_what_is_there_is_left_alone_and_said_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["dataset", "digits"])
    capsys.readouterr()
    assert main(["dataset", "digits"]) == 0
    out, err = capsys.readouterr()
    assert out == "data/digits_train_lmdb\ndata/digits_test_lmdb\n"
    assert "data/digits_train_lmdb is already there (1437 records); left alone" in err


def test_out(tmp_path, capsys):
    assert main(["dataset", "digits", "--out", str(tmp_path / "some" / "folder")]) == 0
    assert (tmp_path / "some" / "folder" / "digits_train_lmdb").is_dir()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mnits"], 'Unknown data set: mnits; did you mean "mnist"?'),
        (["digits", "--url", "http://127.0.0.1"], "comes with caffelite: leave --source and --url out"),
        (["mnist", "--source", "nowhere"], "nowhere has no file train-images-idx3-ubyte.gz or "),
        (["mnist", "--originals", "--source", "nowhere"], "nowhere has no file train-images-idx3-ubyte.gz or "),
        (["iris", "--originals"], "the data set iris has no original files that can be had alone; use cifar10, "),
        (["cifar10", "--source", "nowhere"], "nowhere has no file data_batch_1.bin or "),
    ],
)
def test_refuses(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["dataset", *arguments]) == 1
    assert message in capsys.readouterr().err
