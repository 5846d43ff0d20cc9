"""Damaged databases, records, images, mean files and original files of data sets."""

import gzip
import io
import shutil
import struct
import tarfile

import h5py
import numpy as np
import pytest

from caffelite.core.data.datum import DatumReader
from caffelite.core.data.hdf5_rows import Hdf5Rows, require_readable
from caffelite.core.data.image_list import first_path, read_image_list
from caffelite.core.data.leveldb_files import files_of
from caffelite.core.data.leveldb_reader import LevelDbReader
from caffelite.core.data.leveldb_writer import write_leveldb
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.data.mean import read_mean
from caffelite.core.data.plyvel import plyvel
from caffelite.core.data.window_file import read_window_file
from caffelite.core.errors import DataError
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.hdf5_safety import structure_problems
from caffelite.datasets.cifar10 import RECORD, Cifar10
from caffelite.datasets.download import RemoteFile
from caffelite.datasets.idx import read_idx
from caffelite.proto.caffe_pb2 import Datum


def test_mean_files(fuzz, golden_folder):
    assert fuzz((golden_folder / "data" / "mean.binaryproto").read_bytes(), read_mean) > 0.2


def test_records(fuzz):
    datum = Datum(channels=3, height=4, width=5, data=bytes(60), label=7)
    reader = DatumReader("database")
    assert fuzz(datum.SerializeToString(), lambda path: reader.read(b"key", path.read_bytes())) > 0.2


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
def test_encoded_images(fuzz, extension):
    cv2 = pytest.importorskip("cv2")
    pixels = np.random.default_rng(1).integers(0, 256, (16, 20, 3), np.uint8)
    reader = DatumReader("database", force_color=True)

    def read(path):
        datum = Datum(encoded=True, data=path.read_bytes(), label=7)
        reader.read(b"key", datum.SerializeToString())

    image = cv2.imencode(extension, pixels)[1].tobytes()
    assert fuzz(image, read, memory=1 << 28) > 0.05  # decoders keep what they can of a damaged image


def test_lmdb_databases(fuzz, tmp_path):
    folder = tmp_path / "made"
    records = [(b"%04d" % index, b"x" * (index * 7 % 3000)) for index in range(400)]
    write_lmdb(folder, records)

    def read(path):
        database = tmp_path / "database"
        database.mkdir(exist_ok=True)
        shutil.copy(path, database / "data.mdb")
        reader = LmdbReader(database)
        reader.read(min(reader.entries, 1000))

    assert fuzz((folder / "data.mdb").read_bytes(), read, region=1 << 16) > 0.2


def test_rows_of_hdf5_files(fuzz, tmp_path):
    names = ["data", "label"]
    with h5py.File(tmp_path / "whole", "w") as file:
        file.create_dataset("data", data=np.arange(600.0).reshape(50, 4, 3), chunks=(8, 4, 3), compression="gzip")
        file["label"] = np.arange(50)

    def read(path):
        inputs = [other for other in path.parent.glob("input*") if is_hdf5(other)]
        structure_problems(inputs, names)  # so that not each has to start a process
        require_readable([path], names)
        rows = Hdf5Rows(path, names)
        if rows.row_bytes > 1 << 14 or rows.count > 1 << 32:
            raise DataError("a batch would not fit in memory")
        rows.read(np.arange(0, min(rows.count, 50), 2))
        rows.close()

    assert fuzz((tmp_path / "whole").read_bytes(), read, region=4096, memory=1 << 22) > 0.1


TEXT = [
    b" ",
    b"\n",
    b"\r\n",
    b"\t",
    b"-",
    b"#",
    b"1e999",
    b"9" * 30,
    b"0" * 5000,
    b"nan",
    b"\x00",
    b"\xff",
    b"# 1\na 3 4 5 1\n",
]


@pytest.mark.parametrize(("label_count", "refused"), [(0, 0.001), (1, 0.1), (3, 0.1)])
def test_lists_of_images(fuzz, label_count, refused):
    whole = b"".join(b"folder/image %d.jpg 1 -2.5 %d\n" % (number, number) for number in range(50))

    def read(path):
        images = read_image_list(path, label_count).images
        assert not images or images[0].path == first_path(path, label_count)

    assert fuzz(whole, read, strange=TEXT) > refused


@pytest.mark.parametrize("thresholds", [(0.5, 0.5), (0.9, 0.1)])
def test_window_files(fuzz, thresholds):
    rows = b"".join(b"%d 0.%d %d %d %d %d\n" % (k % 20 + 1, k, k, k + 1, 2 * k, 3 * k + 9) for k in range(1, 30))
    whole = b"".join(b"# %d\nimages/%d.jpg\n3\n375\n500\n29\n%s" % (index, index, rows) for index in range(4))
    assert fuzz(whole, lambda path: read_window_file(path, *thresholds), strange=TEXT) > 0.2


@pytest.mark.parametrize("damaged", ["CURRENT", "MANIFEST", "ldb", "log"])
def test_leveldb_databases(fuzz, tmp_path, damaged):
    """Records that can be read are the right ones, and none is missing."""
    whole = tmp_path / "whole"
    noise = np.random.default_rng(1).bytes(3000)
    records = [(b"%04d" % index, (noise if index % 3 else b"x" * 3000)[: index * 7 % 3000]) for index in range(400)]
    write_leveldb(whole, records[:200])
    with plyvel().DB(str(whole)) as database:  # which leaves the others in a log
        for key, value in records[200:]:
            database.put(key, value)
    files = files_of(whole)
    assert len(files.tables) == len(files.logs) == 1
    name = {"CURRENT": "CURRENT", "MANIFEST": files.manifest, "ldb": files.tables[0], "log": files.logs[0]}[damaged]
    database = tmp_path / "database"

    def read(path):
        shutil.rmtree(database, ignore_errors=True)
        shutil.copytree(whole, database)
        shutil.copy(path, database / name)
        reader = LevelDbReader(database)
        count = reader.count()
        # A log that ends behind a record looks like one to which nothing was added yet.
        assert count == 400 or (damaged == "log" and count >= 200)
        assert reader.read(count + 1) == [*records[:count], records[0]]

    assert fuzz((whole / name).read_bytes(), read) > 0.5


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files(fuzz, suffix):
    content = struct.pack(">4I", 0x803, 10, 4, 5) + bytes(range(200))
    whole = gzip.compress(content) if suffix else content
    assert fuzz(whole, lambda path: read_idx(path, (10, 4, 5)), suffix=suffix) > 0.2


def test_archives_of_cifar10(fuzz, tmp_path):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as members:
        for name in (*Cifar10.train_files, *Cifar10.test_files):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = 2 * RECORD
            members.addfile(member, io.BytesIO(bytes(2 * RECORD)))
    dataset = Cifar10(RemoteFile("input.tar.gz", 0, ""), "", images_per_file=2)
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()

    def make(path):
        shutil.copy(path, source / "input.tar.gz")
        shutil.rmtree(out, ignore_errors=True)
        dataset.make(out, source, None)

    assert fuzz(archive.getvalue(), make, suffix=".tar.gz", memory=1 << 24) > 0.2
