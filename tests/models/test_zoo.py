"""models/: nets that people published weights for; parameters are as many as the authors' nets have."""

import math
from pathlib import Path

import numpy as np
import pytest

from caffelite.core.layer import layer_type_list
from caffelite.core.prototxt.parse import read_net
from caffelite.datasets.published_weights import read_readme
from caffelite.proto.caffe_pb2 import TEST, NetParameter
from caffelite.pycaffe import Net

MODELS = Path(__file__).resolve().parents[2] / "models"
# Name: shape of the output, parameters.
NETS = {
    "densenet121": ((1, 1000, 1, 1), 7_978_856),
    "fcn8s": ((1, 21, 500, 500), 134_489_759),
    "mobilenet_ssd": (None, 5_783_417),
    "mobilenet_v2": ((1, 1000, 1, 1), 3_505_960),
    "pspnet50": ((1, 150, 473, 473), 46_782_550),
    "resnet50": ((1, 1000), 25_557_096),
    "ssd300_vgg16": (None, 26_285_486),
    "vgg16": ((1, 1000), 138_357_544),
    "yolov3_tiny": (None, 8_852_366),
}
PRIORS = {"mobilenet_ssd": 1917, "ssd300_vgg16": 8732}  # boxes
# Smaller images, on which the net runs in a second or two.
SIDES = {"densenet121": 64, "mobilenet_ssd": 300, "mobilenet_v2": 64, "yolov3_tiny": 96}


def parameters(net):
    """How many numbers are learned: of BN and BatchNorm not the statistics."""
    kept = {"BatchNorm": 0, "BN": 2}
    return sum(math.prod(blob.shape) for layer in net.layers for blob in list(layer.blobs)[: kept.get(layer.type)])


@pytest.mark.parametrize("name", NETS)
def test_builds_with_the_parameters_that_its_readme_gives(name):
    shape, count = NETS[name]
    net = Net(MODELS / name / "deploy.prototxt", TEST)
    assert parameters(net) == count
    assert f"| parameters | {count:,}" in (MODELS / name / "readme.md").read_text()
    if shape is not None:
        assert net.blobs[net.outputs[0]].shape == shape


@pytest.mark.parametrize("name", PRIORS)
def test_has_as_many_boxes_as_the_paper(name):
    net = Net(MODELS / name / "deploy.prototxt", TEST)
    assert net.blobs["mbox_priorbox"].shape == (1, 2, 4 * PRIORS[name])
    assert net.blobs["mbox_loc"].shape == (1, 4 * PRIORS[name])


def with_side(name, side):
    """The net for square images of that side, weights drawn at random."""
    param: NetParameter = read_net(MODELS / name / "deploy.prototxt")[0]
    param.layer[0].input_param.shape[0].dim[2:] = [side, side]
    for layer in param.layer:
        if layer.type in ("Convolution", "InnerProduct"):
            message = layer.convolution_param if layer.type == "Convolution" else layer.inner_product_param
            message.weight_filler.type = "msra"
    return Net(param, TEST, seed=1)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "densenet121" else name for name in SIDES]
)
def test_runs(name):
    net = with_side(name, SIDES[name])
    for layer in net.layers:
        if layer.type == "BatchNorm":
            layer.blobs[1].data[...], layer.blobs[2].data[...] = 1, 1
    image = np.random.default_rng(1).normal(size=net.blobs["data"].shape)
    (output,) = net.forward(data=image).values()
    assert np.isfinite(output).all()
    if "detection_out" in net.outputs:
        assert output.shape[:2] == (1, 1) and output.shape[3] == 7


def test_the_pooling_of_stride_1_begins_its_windows_at_a_pixel():
    net = with_side("yolov3_tiny", 96)
    image = np.random.default_rng(1).normal(size=net.blobs["data"].shape)
    net.forward(data=image)
    below, above = net.blobs["layer10-conv"].data, net.blobs["layer11-crop"].data
    assert above.shape == below.shape
    padded = np.pad(below, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 2), axis=(2, 3))
    np.testing.assert_array_equal(above, windows.max(axis=(4, 5)))


@pytest.mark.parametrize("path", sorted(MODELS.glob("*/readme.md")), ids=lambda path: path.parent.name)
def test_a_readme_that_begins_with_fields_can_be_pulled(path):
    text = path.read_text()
    if text.startswith("---"):
        assert read_readme(path).caffemodel.endswith(".caffemodel")
    assert "\n# " in f"\n{text}"


def test_all_types_are_known():
    for name in NETS:
        types = {layer.type for layer in read_net(MODELS / name / "deploy.prototxt")[0].layer}
        assert types <= set(layer_type_list())
