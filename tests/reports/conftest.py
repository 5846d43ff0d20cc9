import math

import numpy as np
import pytest

from caffelite.core.data.datum import raw_datum
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net
from caffelite.reports.evaluation import Evaluation

NET = """name: "pixels <b>"
layer { name: "data" type: "Data" top: "data" top: "label" transform_param { scale: 0.1 }
  data_param { source: "records_lmdb" backend: LMDB batch_size: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
# three pixels, which are the scores of three classes times 10, and a label
RECORDS = (
    ((30, 0, 0), 0),
    ((20, 0, 0), 0),
    ((0, 40, 0), 0),  # a wrong label
    ((0, 30, 0), 1),
    ((10, 20, 0), 1),
    ((0, 0, 20), 2),
    ((0, 5, 0), 2),  # a mistake, not a certain one
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a net whose scores are the pixels of 7 records, in batches of 4, and its weights."""
    monkeypatch.chdir(tmp_path)
    images = [np.array([[[*pixels, 7][:2], [*pixels, 7][2:]]], np.uint8) for pixels, _ in RECORDS]
    pairs = zip(images, RECORDS, strict=True)
    write_lmdb(
        tmp_path / "records_lmdb",
        ((b"key<%d>" % number, raw_datum(image, label)) for number, (image, (_, label)) in enumerate(pairs)),
    )
    (tmp_path / "net.prototxt").write_text(NET)
    net = Net("net.prototxt", TEST)
    net.params["ip"][0].data[...] = np.eye(3, 4)
    net.save("net.caffemodel")
    net.close()
    return tmp_path


@pytest.fixture
def evaluated(folder):
    """Make the evaluation of the net: evaluated(batches=2, layer="", text=NET)."""

    def make(batches=2, layer="", text=NET):
        (folder / "net.prototxt").write_text(text)
        net = Net("net.prototxt", TEST, weights="net.caffemodel")
        evaluation = Evaluation(net, layer)
        for _ in range(batches):
            net.forward_pass()
            evaluation.add()
        net.close()
        return evaluation

    return make


@pytest.fixture
def net_text():
    return NET


@pytest.fixture
def of_class():
    """Probability of a class by hand: of_class((3, 0, 0), 0)."""
    return lambda scores, label: math.exp(scores[label]) / sum(map(math.exp, scores))
