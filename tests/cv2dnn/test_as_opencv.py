"""caffelite.cv2dnn says what OpenCV 4.14 says, of every net under models/ that it can read."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from caffelite import cv2dnn
from caffelite.core.net.without_data import READERS
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ATOL = 1e-4
# What OpenCV 4.14 says of nets that it cannot run, and caffelite can.
REFUSED = {
    "densenet121/deploy": r"kernel\[i\] > 0",  # it takes round_mode for the name of a kernel
    "pspnet50/deploy": 'of type "BN"',
    "yolov3_tiny/deploy": 'of type "Yolov3DetectionOutput"',
}
NOT_READ = (*READERS, "MemoryData", "DummyData", "HDF5Output", "WindowData", "Python")
LARGE = re.compile(r"num_output: 4096\b")


def is_for_use(path):
    text = path.read_text()
    types = set(re.findall(r'type:\s*"(\w+)"', text))
    return (
        "layer" in text
        and "Input" in types | ({"Input"} if re.search(r"^input:", text, re.M) else set())
        and not (types & {*NOT_READ, "Accuracy"})
        and not any("Loss" in name for name in types)
    )


NETS = {
    path.relative_to(ROOT / "models").with_suffix("").as_posix(): path
    for path in sorted(ROOT.glob("models/**/*.prototxt"))
    if is_for_use(path)
}
NETS["small_ssd"] = Path(__file__).with_name("ssd.prototxt")
NETS["priors"] = Path(__file__).with_name("priors.prototxt")


def fill(net, generator):
    """Give all parameters values with which numbers neither vanish nor explode on the way."""
    for layer in net.layers:
        for number, blob in enumerate(layer.blobs):
            shape = blob.data.shape
            if layer.type == "BatchNorm":
                blob.data[...] = [generator.normal(0, 0.1, shape), generator.uniform(0.5, 1.5, shape), 1][number]
            elif number or len(shape) < 2:
                blob.data[...] = generator.uniform(0.5, 1.5, shape) if not number else generator.normal(0, 0.1, shape)
            else:
                blob.data[...] = generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)


def prepare(folder, name, path):
    """Write the net, smaller where it is large, its parameters, and random inputs."""
    prototxt = folder / f"{name}.prototxt"
    prototxt.parent.mkdir(parents=True, exist_ok=True)
    prototxt.write_text(LARGE.sub("num_output: 64", path.read_text()))
    generator = np.random.default_rng(7)
    net = Net(prototxt, TEST)
    stored = path.with_suffix(".caffemodel")
    if stored.exists():
        shutil.copy(stored, prototxt.with_suffix(".caffemodel"))
    else:
        fill(net, generator)
        net.save(prototxt.with_suffix(".caffemodel"))
    inputs = {blob: generator.normal(0, 1, net.blobs[blob].data.shape).astype("f") for blob in net.inputs}
    np.savez(prototxt.with_suffix(".inputs.npz"), **inputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, judged):
    made = tmp_path_factory.mktemp("nets")
    for name, path in NETS.items():
        prepare(made, name, path)
    judged(made)
    return made


def test_there_are_nets():
    assert {"lenet/deploy", "resnet18/deploy", "googlenet/deploy", "mtcnn/det3"} <= NETS.keys()


@pytest.mark.parametrize("name", NETS)
def test_says_and_computes_the_same(folder, name):
    prototxt = folder / f"{name}.prototxt"
    said = json.loads(prototxt.with_suffix(".json").read_text())
    if name in REFUSED:
        assert re.search(REFUSED[name], said["error"])
    else:
        assert "error" not in said, said["error"]
        compare(prototxt, said)


def test_there_are_boxes(folder):
    with np.load(folder / "small_ssd.outputs.npz") as file:
        boxes = file["out_detection_out"][0, 0]
    scores = boxes[:, 2]
    assert boxes.shape == (30, 7)
    assert 5 < np.count_nonzero(scores) <= 30
    assert (np.diff(scores) <= 0).all()


def compare(prototxt, said):
    net = cv2dnn.readNetFromCaffe(prototxt, prototxt.with_suffix(".caffemodel"))
    with np.load(prototxt.with_suffix(".inputs.npz")) as file:
        inputs = {name: file[name] for name in file.files}
    for name, value in inputs.items():
        net.setInput(value, name)
    with np.load(prototxt.with_suffix(".outputs.npz")) as file:
        outputs = {name.removeprefix("out_"): file[name] for name in file.files}
    for name, expected in outputs.items():
        value = net.forward(name)
        assert value.shape == expected.shape, name
        assert value.dtype == expected.dtype == np.float32
        large = max(1, np.abs(expected).max())  # sums of large numbers that cancel are small, with the error of these
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=ATOL * large, err_msg=name)
    assert describe(net, [value.shape for value in inputs.values()]) == said


def describe(net, shapes):
    names = net.getLayerNames()
    ids, ins, outs = net.getLayersShapes(shapes)
    numbers = range(1, len(names) + 1)
    return json.loads(
        json.dumps(
            {
                "names": names,
                "types": [net.getLayer(name).type for name in names],
                "ends": net.getUnconnectedOutLayersNames(),
                "unconnected": net.getUnconnectedOutLayers().tolist(),
                "ids": ids.tolist(),
                "ins": [[shape.tolist() for shape in each] for each in ins],
                "outs": [[shape.tolist() for shape in each] for each in outs],
                "flops": [net.getFLOPS(number, shapes) for number in numbers],
                "memory": [net.getMemoryConsumption(number, shapes) for number in numbers],
                "blobs": [[blob.shape for blob in net.getLayer(name).blobs] for name in names],
            }
        )
    )
