import numpy as np
import pytest

import caffelite
from caffelite import examples
from caffelite.explaining.content import content_of
from caffelite.explaining.passes import Differentiated, run_backward
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
"""


@pytest.fixture(scope="module")
def ran(make_net):
    net, origins = make_net(NET)
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
    """What Dropout zeroes in TRAIN is in no blob."""
    dropout = 'layer { name: "drop" type: "Dropout" bottom: "f" top: "d" }'
    net, origins = make_net(NET + dropout, caffelite.TRAIN)
    net.forward()
    content = content_of(net, origins, Differentiated("it", "", 1))
    assert content["layers"][-1]["rule"] is None
    assert content["layers"][-1]["formula"].startswith("y = x / (1 - 0.5), or 0 with probability 0.5")


RNN = """
    layer { name: "x" type: "Input" top: "x" top: "cont" input_param { shape { dim: 3 dim: 2 dim: 4 }
            shape { dim: 3 dim: 2 } } }
    layer { name: "rnn" type: "RNN" bottom: "x" bottom: "cont" top: "y" recurrent_param { num_output: 5
            weight_filler { type: "gaussian" std: 1 } } }
"""


def test_what_a_layer_keeps_inside_is_among_the_arrays(make_net, floats):
    net, origins = make_net(RNN)
    net.blobs["x"].data[...] = np.random.default_rng(2).standard_normal((3, 2, 4))
    net.forward()
    rule = content_of(net, origins, Differentiated("it", "", 1))["layers"][-1]["rule"]
    assert (rule["kind"], rule["size"], rule["cells"]) == ("rnn", 5, None)
    content = content_of(net, origins, Differentiated("it", "", 1))
    weight = net.params["rnn"][0].data
    sums = floats(content, rule["sums"], 30).reshape(3, 2, 5)
    np.testing.assert_allclose(sums, net.blobs["x"].data @ weight.T, rtol=1e-5)  # cont is 0: each step begins anew


def test_what_is_too_large_of_it_is_left_out(make_net):
    net, origins = make_net(RNN)
    net.forward()
    rule = content_of(net, origins, Differentiated("it", "", 1), Limits(values=60))["layers"][-1]["rule"]
    assert rule["sums"] is None


@pytest.mark.slow
def test_lenet_on_a_batch_takes_less_than_ten_megabytes(make_net, html):
    """The batch of its train_val; random values, of which nothing is 0."""
    text = (examples.folder() / "models" / "lenet" / "deploy.prototxt").read_text(encoding="utf-8")
    net, origins = make_net("force_backward: true\n" + text)
    random = np.random.default_rng(2)
    for blob in (*net.blobs.values(), *(blob for blobs in net.params.values() for blob in blobs)):
        blob.data[...] = random.standard_normal(blob.shape)
    net.forward()
    for blob in net.blobs.values():
        blob.diff[...] = random.standard_normal(blob.shape)
    content = content_of(net, origins, Differentiated("it", "", len(net.layers)))
    assert content["left_out"] == ["items"]
    assert len(html(content).encode("utf-8")) < 10e6


def test_progress_reaches_the_end(ran):
    seen = []
    content_of(*ran, progress=lambda done, all: seen.append((done, all)))
    assert seen[-1] == (10, 10)
    assert seen == sorted(seen)
