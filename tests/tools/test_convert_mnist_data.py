import logging
import os
import struct

import numpy as np
import pytest

from caffelite.core.data.backends import open_records
from caffelite.core.errors import DataError, UsageError
from caffelite.proto.caffe_pb2 import Datum
from caffelite.tools.convert_mnist_data import convert_mnist_data

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.fixture
def convert(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="caffelite")

    def run(images, labels, backend="lmdb"):
        (tmp_path / "images").write_bytes(images)
        (tmp_path / "labels").write_bytes(labels)
        convert_mnist_data(tmp_path / "images", tmp_path / "labels", tmp_path / "db", backend, lambda *_: None)
        reader = open_records(tmp_path / "db", backend)
        return reader.read(reader.count())

    return run


def images(values=IMAGES, magic=2051):
    return struct.pack(">4I", magic, *values.shape) + values.tobytes()


def labels(*values, magic=2049):
    return struct.pack(">2I", magic, len(values)) + bytes(values)


def test_records(convert, caplog):
    (key, first), (next_key, second) = convert(images(), labels(7, 255))
    assert (key, next_key) == (b"00000000", b"00000001")
    assert first.hex() == "08011003" + "1804" + "220c" + bytes(range(12)).hex() + "2807"
    datum = Datum.FromString(second)
    assert (datum.data, datum.label, datum.HasField("encoded")) == (bytes(range(12, 24)), -1, False)
    assert caplog.messages[:3] == ["A total of 2 items.", "Rows: 3 Cols: 4", "Processed 2 files."]


@pytest.mark.parametrize(
    ("images_file", "labels_file", "message"),
    [
        (
            labels(*range(9)),
            images(),
            "images: the magic number is 2049 and not 2051; give IMAGES, then LABELS, then DB",
        ),
        (images(), labels(1), "images holds 2 images, and .*labels 1 labels"),
        (images()[:-1], labels(1, 2), "images has 39 bytes and not 40, which its header tells"),
        (images() + b"\0", labels(1, 2), "images has 41 bytes and not 40"),
        (b"\0\0\x08\x03", labels(1, 2), "images ends within its header: it has 4 bytes"),
        (
            struct.pack(">4I", 2051, 2**31, 2**31, 2**31),
            labels(1),
            "images has 16 bytes and not 9903520314283042199192993",
        ),
        (b"\x1f\x8b\x08\0", labels(1, 2), "images is compressed; use gunzip first"),
    ],
)
def test_files_that_are_not_right(convert, images_file, labels_file, message, tmp_path):
    with pytest.raises(DataError, match=message):
        convert(images_file, labels_file)
    assert sorted(os.listdir(tmp_path)) == ["images", "labels"]


def test_leveldb_holds_the_same_records(convert, tmp_path):
    found = convert(images(), labels(1, 2), "leveldb")
    (tmp_path / "db").rename(tmp_path / "leveldb")
    assert found == convert(images(), labels(1, 2))


def test_another_backend_and_an_existing_database(convert, tmp_path):
    with pytest.raises(UsageError, match="use lmdb or leveldb"):
        convert(images(), labels(1, 2), "csv")
    (tmp_path / "db").mkdir()
    with pytest.raises(DataError, match="mkdir .*db failed"):
        convert(images(), labels(1, 2))
