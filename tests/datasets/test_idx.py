import gzip
import hashlib
import struct

import numpy as np
import pytest

from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import DataError
from caffelite.datasets.download import RemoteFile
from caffelite.datasets.idx import FASHION_MNIST, MNIST, IdxDataset, Part, read_idx

COUNTS = {"train": 12, "t10k": 5}


def idx(array):
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def images_of(part):
    return np.random.default_rng(COUNTS[part]).integers(0, 256, (COUNTS[part], 28, 28), dtype=np.uint8)


def labels_of(part):
    return np.arange(COUNTS[part], dtype=np.uint8) % 10


@pytest.fixture
def source(tmp_path):
    """A folder with the four files of a small data set."""
    folder = tmp_path / "source"
    folder.mkdir()
    for part in COUNTS:
        for name, array in (("images-idx3", images_of(part)), ("labels-idx1", labels_of(part))):
            (folder / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(idx(array), mtime=0))
    return folder


@pytest.fixture
def small(source):
    """The data set that `source` holds."""

    def remote(name):
        content = (source / name).read_bytes()
        return RemoteFile(name, len(content), hashlib.sha256(content).hexdigest())

    return IdxDataset(
        tuple(
            Part(name, COUNTS[part], remote(f"{part}-images-idx3-ubyte.gz"), remote(f"{part}-labels-idx1-ubyte.gz"))
            for name, part in (("small_train_lmdb", "train"), ("small_test_lmdb", "t10k"))
        ),
        url="http://127.0.0.1:9",
    )


def check(out):
    for name, part in (("small_train_lmdb", "train"), ("small_test_lmdb", "t10k")):
        records = LmdbReader(out / name).read(COUNTS[part])
        assert [key for key, _ in records] == [b"%08d" % index for index in range(COUNTS[part])]
        for index, (key, value) in enumerate(records):
            pixels, label = DatumReader("").read(key, value)
            np.testing.assert_array_equal(pixels, images_of(part)[index][np.newaxis])
            assert label == labels_of(part)[index]
    assert sorted(path.name for path in out.iterdir()) == ["small_test_lmdb", "small_train_lmdb"]


def test_from_a_folder(small, source, tmp_path):
    small.make(tmp_path / "out", source, None)
    check(tmp_path / "out")


@pytest.mark.parametrize("renamed", [lambda name: name, lambda name: name.replace("-idx", ".idx")])
def test_from_a_folder_of_unpacked_files(small, source, tmp_path, renamed):
    for path in list(source.iterdir()):
        (source / renamed(path.stem)).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    small.make(tmp_path / "out", source, None)
    check(tmp_path / "out")


def test_from_a_server(small, source, tmp_path, serve):
    small.make(tmp_path / "out", None, serve(source))
    check(tmp_path / "out")


def test_from_a_package_of_the_system(small, source, tmp_path):
    IdxDataset(small.parts, small.url, source).make(tmp_path / "out", None, None)
    check(tmp_path / "out")


def test_a_server_with_another_file(small, source, tmp_path, serve):
    name = "t10k-labels-idx1-ubyte.gz"
    content = bytearray((source / name).read_bytes())
    content[-1] ^= 1
    (source / name).write_bytes(content)
    with pytest.raises(DataError, match=name + " is not the expected file: its SHA-256"):
        small.make(tmp_path / "out", None, serve(source))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["small_train_lmdb"]


def test_what_is_there_is_left_alone(small, source, tmp_path, caplog):
    small.make(tmp_path / "out", source, None)
    caplog.set_level("INFO")
    small.make(tmp_path / "out", tmp_path / "nowhere", None)
    assert caplog.messages == [
        f"{tmp_path}/out/small_train_lmdb is already there (12 records); left alone",
        f"{tmp_path}/out/small_test_lmdb is already there (5 records); left alone",
    ]


def test_something_else_that_is_there_is_refused(small, source, tmp_path):
    small.make(tmp_path / "out", source, None)
    (tmp_path / "out" / "small_train_lmdb").rename(tmp_path / "kept")
    (tmp_path / "out" / "small_test_lmdb").rename(tmp_path / "out" / "small_train_lmdb")
    with pytest.raises(DataError, match=r"small_train_lmdb holds 5 records instead of 12; delete it"):
        small.make(tmp_path / "out", source, None)


def test_missing_files(small, tmp_path):
    names = r"train-images-idx3-ubyte\.gz or train-images-idx3-ubyte or train-images\.idx3-ubyte"
    with pytest.raises(DataError, match="has no file " + names):
        small.make(tmp_path / "out", tmp_path, None)


def test_labels_beyond_nine(small, source, tmp_path):
    (source / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels_of("train") + 1)))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz holds the label 10; labels are 0 to 9"):
        small.make(tmp_path / "out", source, None)


@pytest.mark.parametrize("packed", [True, False])
def test_originals(small, source, packed):
    expected = {path.stem: gzip.decompress(path.read_bytes()) for path in source.iterdir()}
    if not packed:
        for name, content in expected.items():
            (source / f"{name}.gz").unlink()
            (source / name).write_bytes(content)
    assert small.original_sizes == {name: len(content) for name, content in expected.items()}
    assert dict(small.read_originals(expected, source, None)) == expected


def test_originals_of_a_server(small, source, serve):
    name = "t10k-labels-idx1-ubyte"
    assert list(small.read_originals([name], None, serve(source))) == [(name, idx(labels_of("t10k")))]


GOOD = idx(np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"cut short: 0 bytes instead of 18"),
        (GOOD[:11], r"cut short: 11 bytes instead of 18"),
        (GOOD[:-1], r"has 17 bytes instead of 18"),
        (GOOD + b"0", r"has more bytes instead of 18"),
        (b"\0\0\x0d\2" + GOOD[4:], r"not the expected IDX file: its magic number is 3330 instead of 2050"),
        (idx(np.zeros((3, 2), np.uint8)), r"holds 3 x 2 values instead of 2 x 3"),
        (b"<html>not found</html>", r"magic number is"),
    ],
)
@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_refuses_another_file(tmp_path, content, message, name):
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(DataError, match=name + ".* " + message):
        read_idx(tmp_path / name, (2, 3))


def test_refuses_a_damaged_compressed_file(tmp_path):
    packed = gzip.compress(idx(np.arange(200, dtype=np.uint8)))
    damaged = bytearray(packed)
    damaged[-6] ^= 1
    for content in (packed[:40], b"not compressed", bytes(damaged), packed[:12] + b"\xff" * 20):
        (tmp_path / "file.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"cannot read .*file\.gz: "):
            read_idx(tmp_path / "file.gz", (200,))


@pytest.mark.parametrize("dataset", [MNIST, FASHION_MNIST])
def test_the_real_ones(dataset):
    assert [part.count for part in dataset.parts] == [60000, 10000]
    files = [file for part in dataset.parts for file in (part.images, part.labels)]
    assert len({file.sha256 for file in files}) == 4
    assert all(len(file.sha256) == 64 for file in files)
