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


@pytest.mark.slow  # hundreds of pictures, though what has one shape is shown once
@pytest.mark.parametrize("model", MODELS)
def test_blobs_and_layers_of_every_model_can_be_shown(model):
    net = Net(ROOT / "models" / model / "deploy.prototxt", TEST)
    nodes = {}
    for node in net.graph().nodes:
        layer = net.core_layers[layer_index(net, node.name)]
        if layer.blobs:
            nodes[node.type, layer.blobs[0].shape] = node, layer
    for node, layer in nodes.values():
        if has_filters(layer):
            assert net.show("filters", node.name).axes
        if node.type in ("Convolution", "Deconvolution"):
            assert net.show("im2col", node.name).axes
    for name in {blob.shape: name for name, blob in net.blobs.items()}.values():
        assert net.show("activations", name).axes
