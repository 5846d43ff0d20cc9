import logging

import pytest

from caffelite.core.data.backends import open_records
from caffelite.core.errors import DataError
from caffelite.proto.caffe_pb2 import Datum
from caffelite.tools import convert_cifar_data as module
from caffelite.tools.convert_cifar_data import TEST_FILE, TRAIN_FILES, convert_cifar_data


@pytest.fixture
def source(tmp_path, monkeypatch):
    """The six files with two images each, all values of an image being its number."""
    monkeypatch.setattr(module, "RECORDS", 2)
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate((*TRAIN_FILES, TEST_FILE)):
        images = (2 * number, 2 * number + 1)
        (folder / name).write_bytes(b"".join(bytes([image % 10]) + bytes([image]) * 3072 for image in images))
    return folder


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_both_databases(backend, source, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="caffelite")
    done = []
    made = convert_cifar_data(source, tmp_path / "out", backend, lambda now, all: done.append((now, all)))
    assert [path.name for path in made] == [f"cifar10_train_{backend}", f"cifar10_test_{backend}"]
    for path, numbers in zip(made, (range(10), range(10, 12)), strict=True):
        reader = open_records(path, backend)
        records = reader.read(reader.count())
        assert [key for key, _ in records] == [b"%05d" % number for number in range(len(numbers))]
        for (_, value), number in zip(records, numbers, strict=True):
            datum = Datum.FromString(value)
            assert (datum.channels, datum.height, datum.width, datum.label) == (3, 32, 32, number % 10)
            assert datum.data == bytes([number]) * 3072
    assert caplog.messages == [
        "Writing Training data",
        *(f"Training Batch {number}" for number in range(1, 6)),
        "Writing Testing data",
    ] + [text for text in caplog.messages if text.startswith("Opened")]
    assert done == [(number, 12) for number in range(1, 13)]


def test_a_file_that_is_missing_or_cut_short(source, tmp_path):
    (source / "data_batch_3.bin").write_bytes(b"x" * 100)
    with pytest.raises(DataError, match=r"data_batch_3.bin has 100 bytes and not 6146: 2 images"):
        convert_cifar_data(source, tmp_path / "out", "lmdb", lambda *_: None)
    (source / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"Unable to open .*data_batch_3.bin: No such file"):
        convert_cifar_data(source, tmp_path / "out", "lmdb", lambda *_: None)
    assert not (tmp_path / "out").exists()
