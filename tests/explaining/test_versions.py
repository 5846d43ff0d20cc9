import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.net.wiring.draft import Draft
from caffelite.explaining.versions import Origin, without_in_place
from caffelite.proto import caffe_pb2

NET = """
state { phase: TEST } force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 4
        weight_filler { type: "gaussian" std: 1 } } }
layer { name: "train" type: "Sigmoid" bottom: "y" top: "y" include { phase: TRAIN } }
layer { name: "relu" type: "ReLU" bottom: "y" top: "y" relu_param { negative_slope: -0.5 } }
layer { name: "power" type: "Power" bottom: "y" top: "y" power_param { scale: 3 } }
layer { name: "sum" type: "Reduction" bottom: "y" top: "s" reduction_param { operation: SUMSQ } loss_weight: 1 }
"""


def drafted(text):
    return without_in_place(Draft.of(text_format.Parse(text, caffe_pb2.NetParameter())))


def test_each_layer_gets_a_blob_of_its_own():
    draft, origins = drafted(NET)
    wires = [(layer.name, list(layer.bottom), list(layer.top)) for layer in draft.layers]
    assert wires[2:] == [
        ("relu", ["y"], ["y (relu)"]),
        ("power", ["y (relu)"], ["y (power)"]),
        ("sum", ["y (power)"], ["s"]),
    ]
    assert origins == {"y (relu)": Origin("y", "relu"), "y (power)": Origin("y", "power")}


def test_a_name_that_is_there_is_not_taken():
    draft, _ = drafted(NET.replace('top: "s"', 'top: "y (relu)"'))
    assert list(draft.layers[2].top) == ["y (relu)'"]


def test_layers_of_users_stay_in_place():
    python = 'type: "Python" python_param { module: "m" layer: "L" }'
    draft, origins = drafted(NET.replace('type: "ReLU"', python).replace("relu_param { negative_slope: -0.5 }", ""))
    assert list(draft.layers[2].top) == ["y"]
    assert list(draft.layers[3].bottom) == ["y"]
    assert set(origins) == {"y (power)"}


def test_values_and_gradients_are_those_of_the_net_as_written(make_net):
    import caffelite

    x = np.random.default_rng(0).standard_normal((2, 3))
    written = caffelite.Net(text_format.Parse(NET, caffe_pb2.NetParameter()), caffelite.TEST, seed=1)
    apart, _ = make_net(NET)
    apart.params["ip"][0].data[...] = written.params["ip"][0].data
    for net in (written, apart):
        net.blobs["x"].data[...] = x
        net.forward()
        net.backward()
    assert float(apart.blobs["s"].data.sum()) == pytest.approx(float(written.blobs["s"].data.sum()))
    np.testing.assert_array_equal(apart.blobs["x"].diff, written.blobs["x"].diff)
    np.testing.assert_array_equal(apart.blobs["y (power)"].data, written.blobs["y"].data)
