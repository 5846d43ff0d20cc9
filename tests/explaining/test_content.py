import numpy as np
import pytest

from caffelite.explaining.content import content_of
from caffelite.explaining.passes import run_backward
from caffelite.explaining.sampling import Limits

NET = """
name: "net" force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 8 dim: 12 dim: 10 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "y" convolution_param { num_output: 40 kernel_size: 3 pad: 1
        weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }
layer { name: "ip" type: "InnerProduct" bottom: "y" top: "z" inner_product_param { num_output: 30
        weight_filler { type: "gaussian" std: 1 } } }
layer { name: "flat" type: "Flatten" bottom: "z" top: "f" }
layer { name: "max" type: "ArgMax" bottom: "f" top: "m" }
"""


@pytest.fixture(scope="module")
def ran(make_net):
    net, origins = make_net(NET.replace('layer { name: "max" type: "ArgMax" bottom: "f" top: "m" }', ""))
    net.blobs["x"].data[...] = np.random.default_rng(1).standard_normal((1, 8, 12, 10))
    net.forward()
    return net, origins, run_backward(net, origins)


@pytest.fixture(scope="module")
def whole(ran):
    return content_of(*ran)


@pytest.fixture(scope="module")
def sampled(ran):
    return content_of(*ran, Limits(values=3000, weights=4000))


def named(content, name):
    return next(version for version in content["versions"] if version["name"] == name)


def test_blobs_are_there_exactly(ran, whole, floats):
    net = ran[0]
    assert whole["left_out"] == []
    for version in whole["versions"]:
        blob = net.blobs[version["name"]]
        assert version["shape"] == list(blob.shape)
        for kind, values in (("data", blob.data), ("diff", blob.diff)):
            np.testing.assert_array_equal(floats(whole, version[kind], blob.count), values.reshape(-1))


def test_wires_and_weights(ran, whole, floats):
    net = ran[0]
    names = [version["name"] for version in whole["versions"]]
    assert names == ["x", "y", "y (relu)", "z", "f"]
    wires = [(layer["name"], layer["bottoms"], layer["tops"]) for layer in whole["layers"]]
    assert wires == [("in", [], [0]), ("conv", [0], [1]), ("relu", [1], [2]), ("ip", [2], [3]), ("flat", [3], [4])]
    weight = whole["layers"][1]["params"][0]
    np.testing.assert_array_equal(floats(whole, weight["whole"], 0), net.params["conv"][0].data.reshape(-1))
    assert whole["layers"][2]["formula"] == "y = x where x > 0, else 0 * x"
    assert named(whole, "f")["given"]
    assert whole["differentiated"].startswith("f[")


def test_equal_arrays_are_stored_once(whole):
    assert named(whole, "z")["data"] == named(whole, "f")["data"]


def test_of_a_large_net_the_middle_of_blobs_and_its_pictures(ran, sampled, floats):
    net = ran[0]
    assert sampled["left_out"] == ["positions", "channels", "weights"]
    version = named(sampled, "y")
    top, left, height, width = version["rectangle"]
    stored = floats(sampled, version["data"], 0).reshape(1, 40, height, width)
    np.testing.assert_array_equal(stored, net.blobs["y"].data[:, :, top : top + height, left : left + width])
    assert named(sampled, "z")["rectangle"] is None
    picture = version["data_picture"]
    import base64

    steps = np.frombuffer(base64.b64decode(sampled["arrays"][picture["bytes"]]), np.uint8).reshape(picture["shape"])
    seen = picture["low"] + steps / 255 * (picture["high"] - picture["low"])
    step = (picture["high"] - picture["low"]) / 255
    np.testing.assert_allclose(seen, net.blobs["y"].data[0][version["channels"]], atol=0.51 * step)


def test_of_large_weights_whole_rows_and_columns(ran, sampled, floats):
    net = ran[0]
    for name in ("conv", "ip"):
        layer = next(layer for layer in sampled["layers"] if layer["name"] == name)
        (weight, _), values = layer["params"], net.params[name][0].data
        if "whole" in weight:
            continue
        rows, columns = weight["rows"], weight["columns"]
        np.testing.assert_array_equal(floats(sampled, rows["array"], 0), values[rows["of"]].reshape(-1))
        transposed = np.swapaxes(values[:, columns["of"]], 0, 1).reshape(-1)
        np.testing.assert_array_equal(floats(sampled, columns["array"], 0), transposed)
    assert "rows" in sampled["layers"][1]["params"][0]


def test_channels_that_are_drawn_have_their_weights(sampled):
    rows = sampled["layers"][1]["params"][0]["rows"]["of"]
    assert set(named(sampled, "y")["channels"]) <= set(rows)
    assert named(sampled, "y")["channels"] != list(range(len(named(sampled, "y")["channels"])))


def test_a_layer_that_is_not_taken_apart(make_net):
    net, origins = make_net(NET)
    net.forward()
    content = content_of(net, origins, run_backward(net, origins))
    assert content["layers"][-1]["rule"] is None
    assert content["layers"][-1]["formula"].startswith("y = places of the 1 largest")


def test_progress_reaches_the_end(ran):
    seen = []
    content_of(*ran, progress=lambda done, all: seen.append((done, all)))
    assert seen[-1] == (10, 10)
    assert seen == sorted(seen)
