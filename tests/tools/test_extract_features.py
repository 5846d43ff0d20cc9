import logging
import os
import shutil

import h5py
import numpy as np
import pytest

import caffelite as caffe
from caffelite.core.data.leveldb_reader import LevelDbReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import CaffeliteError, UsageError
from caffelite.proto.caffe_pb2 import Datum
from caffelite.tools.extract_features import extract_features

NET = """
layer { name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "raw_lmdb" backend: LMDB batch_size: 4 } transform_param { scale: 0.01 } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { pool: AVE kernel_size: 20 stride: 20 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "sum" type: "Reduction" bottom: "ip" top: "sum" }
layer { name: "five" type: "Reshape" bottom: "pool" top: "five"
  reshape_param { shape { dim: 0 dim: 1 dim: 1 dim: 1 dim: -1 } } }
"""


@pytest.fixture
def folder(tmp_path, golden_folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(golden_folder / "data" / "raw_lmdb", "raw_lmdb")
    (tmp_path / "net.prototxt").write_text(NET)
    net = caffe.Net("net.prototxt", caffe.TEST)
    net.save("net.caffemodel")
    net.close()
    return tmp_path


def extract(names, databases, batches=1, weights="net.caffemodel", backend="lmdb", progress=lambda *_: None):
    extract_features(weights, "net.prototxt", names, databases, batches, backend, progress)


def read(database):
    reader = LmdbReader(database)
    return [(key, Datum.FromString(value)) for key, value in reader.read(reader.entries)]


def test_items_of_blobs(folder, caplog):
    """What a net of the user's own gives for the same batches, which begin again behind the sixth image."""
    caplog.set_level(logging.ERROR, logger="caffelite")
    done = []
    databases = [folder / name for name in ("pool_lmdb", "ip_lmdb", "sum_lmdb")]
    extract(["pool", "ip", "sum"], databases, 2, progress=lambda *now: done.append(now))
    net = caffe.Net("net.prototxt", "net.caffemodel", caffe.TEST)
    expected = {name: [] for name in ("pool", "ip", "sum")}
    for _ in range(2):
        net.forward()
        for name, rows in expected.items():
            blob = net.blobs[name]
            rows += list(blob.data.reshape(blob.num, -1).copy())
    for database, (name, shape) in zip(
        databases, {"pool": (3, 2, 3), "ip": (2, 1, 1), "sum": (1, 1, 1)}.items(), strict=True
    ):
        records = read(database)
        assert [key for key, _ in records] == [b"%010d" % number for number in range(len(expected[name]))]
        for (_, datum), values in zip(records, expected[name], strict=True):
            assert (datum.channels, datum.height, datum.width) == shape
            assert not datum.HasField("label")
            np.testing.assert_array_equal(np.float32(datum.float_data), values)
    assert (len(expected["ip"]), len(expected["sum"])) == (8, 2)
    assert done == [(1, 2), (2, 2)]
    assert caplog.messages == [
        "Extracting Features",
        "Extracted features of 8 query images for feature blob pool",
        "Extracted features of 8 query images for feature blob ip",
        "Extracted features of 2 query images for feature blob sum",
        "Successfully extracted the features!",
    ]


def test_a_blob_that_a_later_layer_changes_in_place_is_its_last_value(folder):
    extract(["ip"], [folder / "ip_lmdb"])
    assert all(min(datum.float_data) >= 0 for _, datum in read(folder / "ip_lmdb"))


@pytest.mark.parametrize(
    ("names", "databases", "changed", "message"),
    [
        (["ip"], ["a", "b"], {}, r"the number of blobs \(1\) and of databases \(2\) must be equal"),
        (["ip", "pool"], ["a", "a"], {}, "two blobs cannot go to one database"),
        (["ip"], ["raw_lmdb"], {}, "mkdir raw_lmdb failed"),
        (["ip"], ["a"], {"batches": 0}, "0 batches have no features"),
        (["ip"], ["a"], {"backend": "csv"}, "use lmdb, leveldb or hdf5"),
        (["pol"], ["a"], {}, 'Unknown feature blob name pol in the network net.prototxt; did you mean "pool"?'),
        (["five"], ["a"], {}, 'the blob "five" has 5 axes'),
        (["ip"], ["a"], {"weights": "net.prototxt"}, "net.prototxt"),
    ],
)
def test_what_is_refused(folder, names, databases, changed, message):
    before = sorted(os.listdir())
    with pytest.raises(CaffeliteError, match=message):
        extract(names, [folder.__class__(name) for name in databases], **changed)
    assert sorted(os.listdir()) == before


def test_leveldb_holds_the_same_records(folder):
    extract(["ip"], [folder / "a"], 2)
    extract(["ip"], [folder / "b"], 2, backend="leveldb")
    lmdb, leveldb = LmdbReader(folder / "a"), LevelDbReader(folder / "b")
    assert lmdb.entries == leveldb.count() == 8
    assert lmdb.read(8) == leveldb.read(8)


def test_hdf5_has_a_dataset_for_each_blob_and_a_row_for_each_item(folder, caplog):
    names = ["pool", "ip", "sum", "five"]
    extract(names, [folder / "all.h5"], 3, backend="hdf5")
    extract(["ip"], [folder / "ip.h5"], 3, backend="hdf5")
    assert "Extracted features of 12 query images for feature blob five" in caplog.messages
    net = caffe.Net("net.prototxt", "net.caffemodel", caffe.TEST)
    with h5py.File("all.h5") as file, h5py.File("ip.h5") as alone:
        assert sorted(file) == sorted(names)
        assert {name: file[name].shape for name in names} == {
            "pool": (12, 3, 2, 3),
            "ip": (12, 2),
            "sum": (3,),
            "five": (12, 1, 1, 1, 18),
        }
        assert all(file[name].dtype == np.float32 for name in names)
        for start in range(0, 12, 4):
            net.forward()
            for name in ("pool", "ip", "five"):
                np.testing.assert_array_equal(file[name][start : start + 4], net.blobs[name].data)
            np.testing.assert_array_equal(alone["ip"][start : start + 4], net.blobs["ip"].data)
    net.close()


@pytest.mark.parametrize(
    ("names", "files", "message"),
    [
        (["ip", "ip"], ["a.h5"], "a blob is listed twice"),
        (["ip", "pool"], ["a.h5", "b.h5", "c.h5"], "must be equal; .*, or one HDF5 file takes all blobs"),
        (["ip"], ["net.prototxt"], "net.prototxt .*it is already there"),
    ],
)
def test_what_is_refused_for_hdf5(folder, names, files, message):
    before = sorted(os.listdir())
    with pytest.raises(CaffeliteError, match=message):
        extract(names, [folder / name for name in files], backend="hdf5")
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("backend", ["lmdb", "leveldb", "hdf5"])
def test_all_databases_or_none(folder, backend):
    def fail(done, all):
        raise UsageError("stopped")

    before = sorted(os.listdir())
    with pytest.raises(UsageError, match="stopped"):
        extract(["ip", "pool"], [folder / "a", folder / "b"], backend=backend, progress=fail)
    assert sorted(os.listdir()) == before
