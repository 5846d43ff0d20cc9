from pathlib import Path

import pytest

from caffelite.pictures.find import blob_of, has_filters, layer_index
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

ROOT = Path(__file__).resolve().parents[2]
MODELS = sorted(path.parent.name for path in ROOT.glob("models/*/deploy.prototxt"))


def test_a_blob_and_the_layers_that_write_it(net):
    name, blob, writers = blob_of(net, "c1")
    assert (name, blob.shape, writers) == ("c1", (2, 4, 4, 3), ["c1", "relu"])
    assert blob_of(net, "relu") == (name, blob, writers)
    assert blob_of(net, None)[0] == "c1"


def test_of_equal_names_the_last_layer(make_net):
    twice = 'layer { name: "c" type: "ReLU" bottom: "x" top: "%s" }\n'
    net = make_net('layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } }\n' + twice % "y")
    assert layer_index(net, "c") == 1


@pytest.mark.slow  # thousands of blobs
@pytest.mark.parametrize("model", MODELS)
def test_every_layer_of_every_model_can_be_shown(model):
    net = Net(ROOT / "models" / model / "deploy.prototxt", TEST)
    for name in {node.name for node in net.graph().nodes}:
        layer = net.core_layers[layer_index(net, name)]
        if has_filters(layer):
            assert net.show("filters", name).axes
        if layer.type in ("Convolution", "Deconvolution"):
            assert net.show("im2col", name).axes
    for name in net.blob_names:
        assert net.show("activations", name).axes
