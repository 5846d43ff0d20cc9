"""readNetFromCaffe and readNet: paths, buffers, order, and what is refused."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffelite import cv2dnn

NAMES = ("c", "relu1", "slice", "ip", "prob", "sig")


@pytest.fixture(scope="module")
def files(tmp_path_factory, small):
    return small.write(tmp_path_factory.mktemp("read"))[:2]


def forms(path):
    data = Path(path).read_bytes()
    return [path, Path(path), path.encode(), data, bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)]


@pytest.mark.parametrize("form", range(7))
def test_takes_paths_and_buffers(files, form):
    net = cv2dnn.readNetFromCaffe(*(forms(path)[form] for path in files))
    net.setInput(np.ones((1, 3, 8, 8), np.float32))
    other = cv2dnn.readNetFromCaffe(*files)
    other.setInput(np.ones((1, 3, 8, 8), np.float32))
    np.testing.assert_array_equal(net.forward(), other.forward())


def test_keywords(files):
    prototxt, model = files
    assert cv2dnn.readNetFromCaffe(prototxt=prototxt, caffeModel=model).getLayerNames() == NAMES
    buffers = np.fromfile(prototxt, np.uint8), np.fromfile(model, np.uint8)
    assert cv2dnn.readNetFromCaffe(bufferProto=buffers[0], bufferModel=buffers[1]).getParam("c").any()
    assert cv2dnn.readNetFromCaffe(prototxt, "").getLayerNames() == NAMES
    assert cv2dnn.readNetFromCaffe(buffers[0], np.zeros(0, np.uint8)).getLayerNames() == NAMES


def test_read_net_in_any_order(files):
    prototxt, model = files
    for net in (
        cv2dnn.readNet(prototxt, model),
        cv2dnn.readNet(model, prototxt),
        cv2dnn.readNet(model=model, config=prototxt, framework="Caffe"),
        cv2dnn.readNet("caffe", np.fromfile(model, np.uint8), np.fromfile(prototxt, np.uint8)),
        cv2dnn.readNet(framework="caffe", bufferModel=bytearray(Path(model).read_bytes()), bufferConfig=prototxt),
    ):
        assert net.getLayerNames() == NAMES
        assert net.getParam("c").any()
    assert cv2dnn.readNet(prototxt).getLayerNames() == NAMES
    with pytest.raises(cv2.error, match="needs a prototxt"):
        cv2dnn.readNet(model)
    with pytest.raises(cv2.error, match="x.onnx: a net of Caffe is a .prototxt and a .caffemodel"):
        cv2dnn.readNet("x.onnx")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "needs a prototxt"),
        (["/nowhere/x.prototxt"], "/nowhere/x.prototxt: no such file"),
        ([""], "the name of the prototxt is empty"),
        ([5], "a path, bytes or an array of uint8, not 5"),
        ([np.zeros(3)], "an array of uint8, not of float64"),
        ([b'layer { name: "a" type: "Foo" top: "x" }'], "bufferProto:1.*Foo"),
        ([b'layer { name: "a" type: "ReLU" bottom: "x" top: "x" }'], 'layer "a": no layer before it makes "x"'),
        ([b"\n"], "the file is empty"),
    ],
)
def test_refuses(arguments, text):
    with pytest.raises(cv2.error, match=text):
        cv2dnn.readNetFromCaffe(*arguments)


def test_refuses_other_files(files):
    prototxt, model = files
    with pytest.raises(cv2.error, match="this looks like a caffemodel"):
        cv2dnn.readNetFromCaffe(model, prototxt)
    with pytest.raises(cv2.error, match="n.prototxt"):
        cv2dnn.readNetFromCaffe(prototxt, prototxt)
    with pytest.raises(cv2.error, match="File not found: /nowhere"):
        cv2dnn.readNetFromCaffe(prototxt, "/nowhere/n.caffemodel")


OLD = """input: "data" input_dim: 1 input_dim: 1 input_dim: 4 input_dim: 4
layers { name: "pool" type: POOLING bottom: "data" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layers { name: "pool" type: SIGMOID bottom: "pool" top: "y" }
"""


def test_old_files():
    net = cv2dnn.readNetFromCaffe(OLD.encode())
    assert net.getLayerNames() == ("pool", "pool_1")
    net.setInput(np.zeros((1, 1, 4, 4), np.float32))
    np.testing.assert_array_equal(net.forward(), np.full((1, 1, 2, 2), 0.5))


PHASES = """input: "data" input_shape { dim: 1 dim: 2 }
layer { name: "a" type: "Power" bottom: "data" top: "y" power_param { scale: 2 } include { phase: TEST } }
layer { name: "b" type: "Power" bottom: "data" top: "y" power_param { scale: 3 } include { phase: TRAIN } }
"""


def test_layers_for_training_are_left_out():
    net = cv2dnn.readNetFromCaffe(PHASES.encode())
    assert net.getLayerNames() == ("a",)
    net.setInput(np.ones((1, 2), np.float32))
    np.testing.assert_array_equal(net.forward(), [[2, 2]])


def test_a_net_for_training_gives_the_net_for_use():
    folder = Path(__file__).resolve().parents[2] / "models/lenet_small"
    net = cv2dnn.readNetFromCaffe(folder / "train_val_digits.prototxt", folder / "digits.caffemodel")
    deploy = cv2dnn.readNetFromCaffe(folder / "deploy.prototxt", folder / "digits.caffemodel")
    image = np.random.default_rng(1).uniform(0, 1, deploy._engine.nodes.inputs["data"]).astype(np.float32)
    net.setInput(image[:1])
    deploy.setInput(image[:1])
    assert net.getLayer(len(net.getLayerNames())).type == "Softmax"
    np.testing.assert_allclose(net.forward(), deploy.forward(), rtol=1e-5)


def test_other_names_are_opencvs_own(monkeypatch):
    assert cv2dnn.blobFromImage is cv2.dnn.blobFromImage
    assert cv2dnn.NMSBoxes is cv2.dnn.NMSBoxes
    with pytest.raises(AttributeError, match="nope"):
        _ = cv2dnn.nope
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(RuntimeError, match=r"pip install 'caffelite\[image\]'"):
        _ = cv2dnn.blobFromImages


def test_runs_without_opencv(files, monkeypatch):
    net = cv2dnn.readNetFromCaffe(*files)
    monkeypatch.setitem(sys.modules, "cv2", None)
    net.setInput(np.ones((1, 3, 8, 8), np.float32))
    assert net.forward().shape == (1, 1, 6, 6)
    assert net.getPerfProfile()[0] > 0
