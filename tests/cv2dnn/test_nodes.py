"""What OpenCV's importer makes of a net's layers."""

import json

import numpy as np
import pytest

from caffelite import cv2dnn
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

INPUT = 'input: "x" input_shape { dim: 1 dim: 3 dim: 4 dim: 5 }\n'
CONVOLUTION = "convolution_param { num_output: 2 kernel_size: 1 }"


def layer(name, kind, bottom, top, rest=""):
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {rest} }}\n'


# The names that OpenCV 4.14 gives.
@pytest.mark.parametrize(
    ("layers", "names"),
    [
        (layer("conv", "Convolution", "x", "c", CONVOLUTION), ("c",)),
        (
            layer("a", "TanH", "x", "a") + layer("a", "TanH", "a", "b") + layer("a", "TanH", "b", "d"),
            ("a", "a_1", "a_2"),
        ),
        (layer("a", "TanH", "x", "y") + layer("r", "ReLU", "y", "y") + layer("y", "TanH", "y", "w"), ("a", "r", "y")),
        (layer("r", "ReLU", "x", "x"), ("r",)),
        ('layer { name: "s" type: "Silence" bottom: "x" }', ("s",)),
    ],
)
def test_names(layers, names):
    net = cv2dnn.readNetFromCaffe((INPUT + layers).encode())
    assert net.getLayerNames() == names
    assert net.getUnconnectedOutLayersNames() == names[-1:]


def test_a_layer_without_outputs_gives_what_it_reads():
    net = cv2dnn.readNetFromCaffe((INPUT + 'layer { name: "s" type: "Silence" bottom: "x" }').encode())
    net.setInput(np.full((1, 3, 4, 5), 7, np.float32))
    assert net.forward().min() == 7


NORMALIZED = (
    INPUT
    + layer("bn", "BatchNorm", "x", "y", "batch_norm_param { use_global_stats: false eps: 0.01 }")
    + layer("s", "Scale", "y", "y", "scale_param { bias_term: true }")
)


@pytest.fixture
def normalized(tmp_path):
    """Files of a net whose deviations are about as small as eps, and an image."""
    path, generator = tmp_path / "bn.prototxt", np.random.default_rng(0)
    path.write_text(NORMALIZED)
    net = Net(path, TEST)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = generator.uniform(0.5, 1.5, blob.data.shape)
    net.save(path.with_suffix(".caffemodel"))
    spread = np.reshape([1, 10, 0.1], (1, 3, 1, 1))
    image = (generator.normal(0, 0.1, (1, 3, 4, 5)) * spread).astype(np.float32)
    return path, net, image


def test_batch_statistics_are_followed_by_a_variance_of_1(normalized):
    path, net, image = normalized
    ours = cv2dnn.readNetFromCaffe(path, path.with_suffix(".caffemodel"))
    ours.setInput(image)
    scale, bias = (blob.data.reshape(3, 1, 1) for blob in net.params["s"])
    x = image.astype(np.float64)
    x = (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + 0.01) / np.sqrt(1.01)
    np.testing.assert_allclose(ours.forward(), x * scale + bias, rtol=1e-4, atol=1e-5)
    assert ours.getLayerNames() == ("bn/mvn", "bn", "s")
    assert [ours.getLayer(i).type for i in (1, 2, 3)] == ["MVN", "BatchNorm", "Scale"]


@pytest.mark.slow
def test_batch_statistics_as_opencv(normalized, judged):
    path, _, image = normalized
    np.savez(path.with_suffix(".inputs.npz"), x=image)
    judged(path.parent)
    said = json.loads(path.with_suffix(".json").read_text())
    with np.load(path.with_suffix(".outputs.npz")) as file:
        expected = file["out_"]
    net = cv2dnn.readNetFromCaffe(path, path.with_suffix(".caffemodel"))
    net.setInput(image)
    np.testing.assert_allclose(net.forward(), expected, rtol=1e-4, atol=1e-4)
    assert list(net.getLayerNames()) == said["names"]
    assert [net.getFLOPS(i, image.shape) for i in (1, 2, 3)] == said["flops"]
