import logging
import os

import numpy as np
import pytest

from caffelite.core.data.datum import encoded_datum, image_datum
from caffelite.core.data.leveldb_writer import write_leveldb
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.data.mean import read_mean
from caffelite.core.data.opencv import encode
from caffelite.core.errors import DataError, UsageError
from caffelite.proto.caffe_pb2 import Datum
from caffelite.tools.compute_image_mean import compute_image_mean


@pytest.fixture
def mean_of(tmp_path, caplog):
    """Make a database of these records and compute its mean: mean_of(value, ...) -> (C, H, W)."""
    caplog.set_level(logging.INFO, logger="caffelite")

    def run(*values, out=None):
        write_lmdb(tmp_path / "db", ((b"%04d" % number, value) for number, value in enumerate(values)))
        return compute_image_mean(tmp_path / "db", out, "lmdb", lambda *_: None)

    return run


def test_the_mean_that_caffe_computed(golden_folder, tmp_path):
    data = golden_folder / "data"
    compute_image_mean(data / "raw_lmdb", tmp_path / "mean", "lmdb", lambda *_: None)
    assert (tmp_path / "mean").read_bytes() == (data / "mean.binaryproto").read_bytes()


def test_leveldb_has_the_same_mean(golden_folder, tmp_path):
    folder = golden_folder / "data" / "raw_lmdb"
    reader = LmdbReader(folder)
    write_leveldb(tmp_path / "db", reader.read(reader.entries))
    done = []
    mean = compute_image_mean(tmp_path / "db", None, "leveldb", lambda now, all: done.append((now, all)))
    np.testing.assert_array_equal(mean, compute_image_mean(folder, None, "lmdb", lambda *_: None))
    assert done[-1] == (6, 6)


def test_the_case_of_the_specification(mean_of, tmp_path, caplog):
    records = [image_datum(np.array([row], np.uint8), 0) for row in ([0, 255], [1, 0])]
    mean = mean_of(*records, out=tmp_path / "mean")
    assert mean.tolist() == [[[0.5, 127.5]]]
    np.testing.assert_array_equal(read_mean(tmp_path / "mean"), [mean])
    assert caplog.messages[1:] == [
        "Starting iteration",
        "Processed 2 files.",
        f"Write to {tmp_path}/mean",
        "Number of channels: 1",
        "mean_value channel [0]: 64",
    ]


def test_encoded_and_float_records_count_as_what_they_decode_to(mean_of, caplog):
    pytest.importorskip("cv2")
    image = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    floats = Datum(channels=3, height=1, width=2, float_data=[-1, 0, 0.5, 0, 0, 1000])
    mean = mean_of(encoded_datum(encode(image, "png"), 1), floats.SerializeToString())
    assert mean.tolist() == [[[0, 2]], [[1.25, 2.5]], [[1.5, 503]]]
    assert "Decoding Datum" in caplog.messages


def test_the_sum_is_caffes_in_float32_one_after_the_other(mean_of):
    values = np.random.default_rng(2).uniform(-1e4, 1e4, 50).astype(np.float32)
    records = [
        Datum(channels=1, height=1, width=1, float_data=[value]).SerializeToString() for value in values.tolist()
    ]
    expected = np.float32(0)
    for value in values:
        expected = np.float32(expected + value)
    assert mean_of(*records).item() == np.float32(expected / np.float32(50))


def test_images_of_two_sizes(mean_of, tmp_path):
    records = [image_datum(np.zeros(shape, np.uint8), 0) for shape in ((2, 3), (3, 2), (2, 2))]
    with pytest.raises(DataError, match='record "0002": Incorrect data field size 4: the first has 6 values'):
        mean_of(*records, out=tmp_path / "mean")
    assert os.listdir(tmp_path) == ["db"]


def test_a_record_that_is_no_datum(mean_of):
    with pytest.raises(DataError, match='record "0000": it is not a Datum'):
        mean_of(b"\xff\xff")


def test_progress_and_log_lines(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="caffelite")
    monkeypatch.setattr("caffelite.tools.compute_image_mean.RECORDS_PER_LINE", 100)
    write_lmdb(tmp_path / "db", ((b"%04d" % number, image_datum(np.uint8([[number]]), 0)) for number in range(250)))
    done = []
    mean = compute_image_mean(tmp_path / "db", None, "lmdb", lambda now, all: done.append((now, all)))
    assert mean.item() == 124.5
    assert done == [(count, 250) for count in range(2, 251)]
    assert [text for text in caplog.messages if "Processed" in text] == [
        f"Processed {count} files." for count in (100, 200, 250)
    ]


def test_what_cannot_be(tmp_path):
    with pytest.raises(UsageError, match="there is no folder .*nowhere"):
        compute_image_mean(tmp_path / "db", tmp_path / "nowhere" / "mean", "lmdb", lambda *_: None)
    with pytest.raises(UsageError, match="use lmdb or leveldb"):
        compute_image_mean(tmp_path / "db", None, "csv", lambda *_: None)
    write_lmdb(tmp_path / "empty", [])
    with pytest.raises(DataError, match="holds no records"):
        compute_image_mean(tmp_path / "empty", None, "lmdb", lambda *_: None)
