import hashlib
import io
import os
import tarfile

import numpy as np
import pytest

from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import DataError
from caffelite.datasets.cifar10 import CIFAR10, RECORD, Cifar10, write_mean
from caffelite.datasets.download import RemoteFile
from caffelite.proto.caffe_pb2 import BlobProto

PER_FILE = 4
FILES = [*CIFAR10.train_files, *CIFAR10.test_files]


def content_of(name):
    records = np.random.default_rng(FILES.index(name)).integers(0, 256, (PER_FILE, RECORD), dtype=np.uint8)
    records[:, 0] %= 10
    return records


@pytest.fixture
def source(tmp_path):
    """A folder with the six files."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(content_of(name).tobytes())
    return folder


def packed(folder, names=FILES):
    """Pack the files of `folder` into its archive, beside others."""
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as archive:
        for name in names:
            archive.add(folder / name, f"cifar-10-batches-bin/{name}")
        archive.addfile(tarfile.TarInfo("cifar-10-batches-bin/readme.html"), io.BytesIO())
        archive.addfile(tarfile.TarInfo("../../outside"), io.BytesIO())
    for name in FILES:
        (folder / name).unlink()
    content = (folder / "archive.tar.gz").read_bytes()
    return RemoteFile("archive.tar.gz", len(content), hashlib.sha256(content).hexdigest())


def small(archive=None):
    return Cifar10(archive or RemoteFile("archive.tar.gz", 1, ""), "http://127.0.0.1:9", PER_FILE)


def check(out):
    train = np.concatenate([content_of(name) for name in CIFAR10.train_files])
    for name, expected in (("cifar10_train_lmdb", train), ("cifar10_test_lmdb", content_of("test_batch.bin"))):
        records = LmdbReader(out / name).read(len(expected))
        assert [key for key, _ in records] == [b"%05d" % index for index in range(len(expected))]
        for row, (key, value) in zip(expected, records, strict=True):
            pixels, label = DatumReader("").read(key, value)
            np.testing.assert_array_equal(pixels, row[1:].reshape(3, 32, 32))
            assert label == row[0]
    mean = BlobProto.FromString((out / "cifar10_mean.binaryproto").read_bytes())
    assert (mean.num, mean.channels, mean.height, mean.width) == (1, 3, 32, 32)
    np.testing.assert_allclose(mean.data, train[:, 1:].mean(axis=0), rtol=1e-6)
    assert sorted(path.name for path in out.iterdir()) == sorted(CIFAR10.names)


def test_from_a_folder(source, tmp_path):
    small().make(tmp_path / "out", source, None)
    check(tmp_path / "out")


def test_from_the_unpacked_archive(source, tmp_path):
    source.rename(tmp_path / "cifar-10-batches-bin")
    small().make(tmp_path / "out", tmp_path, None)
    check(tmp_path / "out")


def test_from_the_archive(source, tmp_path):
    packed(source)
    small().make(tmp_path / "out", source, None)
    check(tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["out", "source"]


def test_from_a_server(source, tmp_path, serve):
    archive = packed(source)
    small(archive).make(tmp_path / "out", None, serve(source))
    check(tmp_path / "out")


def test_a_server_with_another_file(source, tmp_path, serve):
    archive = packed(source)._replace(sha256="0" * 64)
    with pytest.raises(DataError, match=r"archive\.tar\.gz is not the expected file: its SHA-256"):
        small(archive).make(tmp_path / "out", None, serve(source))


def test_what_is_missing_is_made(source, tmp_path, caplog):
    small().make(tmp_path / "out", source, None)
    (tmp_path / "out" / "cifar10_mean.binaryproto").unlink()
    small().make(tmp_path / "out", source, None)
    check(tmp_path / "out")
    small().make(tmp_path / "out", tmp_path / "nowhere", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (content_of("data_batch_3.bin").tobytes()[:-1], "has 12291 bytes instead of 12292"),
        (content_of("data_batch_3.bin").tobytes() + b"0", "has more bytes instead of 12292"),
        (bytes([255]) * PER_FILE * RECORD, "it holds the label 255"),
    ],
)
@pytest.mark.parametrize("archived", [False, True])
def test_refuses_another_file(source, tmp_path, content, message, archived):
    (source / "data_batch_3.bin").write_bytes(content)
    if archived:
        packed(source)
    with pytest.raises(DataError, match=r"data_batch_3\.bin .*" + message):
        small().make(tmp_path / "out", source, None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("archived", [False, True])
def test_missing_files(source, tmp_path, archived):
    if archived:
        packed(source, FILES[:4])
    else:
        for name in FILES[4:]:
            (source / name).unlink()
    with pytest.raises(DataError, match=r"source has no file data_batch_5\.bin or test_batch\.bin"):
        small().make(tmp_path / "out", source, None)


def test_a_cut_archive(source, tmp_path):
    packed(source)
    archive = source / "archive.tar.gz"
    for length in (0, 10, archive.stat().st_size // 2):
        os.truncate(archive, length)
        with pytest.raises(DataError, match=r"archive\.tar\.gz is cut short or not an archive"):
            small().make(tmp_path / "out", source, None)


@pytest.mark.parametrize("archived", [False, True])
def test_originals(source, archived):
    expected = {name: content_of(name).tobytes() for name in FILES}
    if archived:
        packed(source)
    assert small().original_sizes == {name: len(content) for name, content in expected.items()}
    assert dict(small().read_originals(FILES, source, None)) == expected
    assert [name for name, _ in small().read_originals(["test_batch.bin"], source, None)] == ["test_batch.bin"]


def test_a_mean_that_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="cannot write .*no_folder/mean"):
        write_mean(tmp_path / "no_folder" / "mean", np.zeros((1, 3, 2, 2), np.uint8))
