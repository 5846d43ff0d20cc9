"""What in-place layers must leave alone, on small nets with values known by hand."""

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite import layer as plugins
from caffelite.core.errors import LayerError
from caffelite.core.layer import LAYERS
from caffelite.proto.caffe_pb2 import BlobProto, NetParameter

INPUT = 'layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 dim: 2 dim: 2 } } }\n'
FLATTEN = 'layer { name: "f" type: "Flatten" bottom: "a" top: "f" }\n'


def net_of(text, dtype=np.float64):
    return caffelite.Net(text_format.Parse(text, NetParameter()), caffelite.TRAIN, dtype=dtype, seed=1)


def values_of(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_a_view_of_an_input_is_not_changed_by_in_place_work_and_neither_is_the_input():
    net = net_of(
        INPUT + FLATTEN + 'layer { name: "p" type: "Power" bottom: "f" top: "f" power_param { scale: 2 shift: 1 } }'
        'layer { name: "q" type: "Power" bottom: "a" top: "q" }'
    )
    given = values_of((2, 3, 2, 2))
    net.blobs["a"].data[...] = given
    for _ in range(2):
        net.forward()
        np.testing.assert_array_equal(net.blobs["a"].data, given)
        np.testing.assert_array_equal(net.blobs["q"].data, given)
        np.testing.assert_array_equal(net.blobs["f"].data, 2 * given.reshape(2, 12) + 1)


def test_an_input_read_through_a_view_alone_is_not_changed_either():
    net = net_of(INPUT + FLATTEN + 'layer { name: "p" type: "Power" bottom: "f" top: "f" power_param { scale: 2 } }')
    net.blobs["a"].data[...] = 1
    for _ in range(3):
        np.testing.assert_array_equal(net.forward()["f"], 2)


def test_another_reader_of_the_memory_below_a_view_sees_what_was_there():
    net = net_of(
        INPUT + 'layer { name: "c" type: "Power" bottom: "a" top: "c" power_param { scale: 1.5 } }'
        'layer { name: "f" type: "Flatten" bottom: "c" top: "f" }'
        'layer { name: "r" type: "ReLU" bottom: "f" top: "f" }'
        'layer { name: "s" type: "Sigmoid" bottom: "c" top: "s" }'
    )
    given = values_of((2, 3, 2, 2))
    net.blobs["a"].data[...] = given
    net.forward()
    np.testing.assert_allclose(net.blobs["s"].data, 1 / (1 + np.exp(-1.5 * given)), rtol=1e-12)
    np.testing.assert_allclose(net.blobs["f"].data, np.maximum(1.5 * given, 0).reshape(2, 12), rtol=1e-12)


def test_a_parameter_is_not_changed():
    net = net_of(
        'layer { name: "w" type: "Parameter" top: "w" parameter_param { shape { dim: 3 } } }'
        'layer { name: "p" type: "Power" bottom: "w" top: "w" power_param { scale: 2 } }'
    )
    net.params["w"][0].data[...] = 1
    for _ in range(3):
        np.testing.assert_array_equal(net.forward()["w"], 2)
        np.testing.assert_array_equal(net.params["w"][0].data, 1)


def test_arrays_of_the_user_are_not_changed():
    net = net_of(
        'layer { name: "m" type: "MemoryData" top: "x" top: "label" '
        "memory_data_param { batch_size: 2 channels: 1 height: 1 width: 1 } }"
        'layer { name: "p" type: "Power" bottom: "x" top: "x" power_param { scale: 2 } }',
        np.float32,
    )
    data, labels = np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1), np.zeros(4, np.float32)
    net.set_input_arrays(data, labels)
    seen = [net.forward()["x"].ravel().tolist() for _ in range(4)]
    assert seen == [[0, 2], [4, 6], [0, 2], [4, 6]]
    assert data.ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("loss", ["SoftmaxWithLoss", "InfogainLoss"])
def test_the_probabilities_of_a_loss_are_not_changed_for_its_gradient(loss, tmp_path):
    options = ""
    if loss == "InfogainLoss":
        proto = BlobProto(num=1, channels=1, height=3, width=3, data=np.eye(3).ravel())
        (tmp_path / "h.binaryproto").write_bytes(proto.SerializeToString())
        options = f'infogain_loss_param {{ source: "{tmp_path / "h.binaryproto"}" }}'
    net = net_of(
        'force_backward: true layer { name: "x" type: "Input" top: "x" top: "y" '
        "input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }"
        f'layer {{ name: "l" type: "{loss}" bottom: "x" bottom: "y" top: "loss" top: "prob" {options} }}'
        'layer { name: "p" type: "Power" bottom: "prob" top: "prob" power_param { scale: 2 } }'
    )
    scores = values_of((2, 3))
    net.blobs["x"].data[...], net.blobs["y"].data[...] = scores, [0, 2]
    prob = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    for _ in range(2):
        np.testing.assert_allclose(net.forward()["prob"], 2 * prob, rtol=1e-6)
        net.backward()
        np.testing.assert_allclose(net.blobs["x"].diff, (prob - [[1, 0, 0], [0, 0, 1]]) / 2, rtol=1e-6, atol=1e-9)


def test_dropout_in_place_on_a_constant_gives_zero_or_two_in_every_pass():
    net = net_of(
        'layer { name: "d" type: "DummyData" top: "x" '
        'dummy_data_param { shape { dim: 100 } data_filler { type: "constant" value: 1 } } }'
        'layer { name: "p" type: "Dropout" bottom: "x" top: "x" dropout_param { dropout_ratio: 0.5 } }'
    )
    for _ in range(4):
        assert set(net.forward()["x"].tolist()) == {0.0, 2.0}


def test_in_place_work_on_an_input_is_done_on_what_the_user_filled_in():
    net = net_of(INPUT + 'layer { name: "p" type: "Power" bottom: "a" top: "a" power_param { scale: 2 } }')
    net.blobs["a"].data[...] = 1
    assert net.forward()["a"].max() == 2 and net.forward()["a"].max() == 4


GRADIENT_NETS = {
    "Sigmoid": 'type: "Sigmoid" bottom: "x" top: "s"',
    "TanH": 'type: "TanH" bottom: "x" top: "s"',
    "Softmax": 'type: "Softmax" bottom: "x" top: "s"',
    "Eltwise": 'type: "Eltwise" bottom: "x" bottom: "x" top: "s" '
    "eltwise_param { operation: PROD stable_prod_grad: false }",
}


@pytest.mark.parametrize("view", [False, True], ids=["direct", "through Flatten"])
@pytest.mark.parametrize("name", GRADIENT_NETS)
def test_the_gradient_below_an_in_place_layer_is_the_numeric_derivative(name, view):
    top = "view" if view else "s"
    flatten = 'layer { name: "v" type: "Flatten" bottom: "s" top: "view" }' if view else ""
    net = net_of(f"""
        force_backward: true
        layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 4 }} }} }}
        layer {{ name: "target" type: "Input" top: "t" input_param {{ shape {{ dim: 2 dim: 4 }} }} }}
        layer {{ name: "s" {GRADIENT_NETS[name]} }} {flatten}
        layer {{ name: "p" type: "Power" bottom: "{top}" top: "{top}" power_param {{ scale: 3 shift: 0.5 }} }}
        layer {{ name: "l" type: "EuclideanLoss" bottom: "{top}" bottom: "t" top: "loss" }}""")
    x, t = values_of((2, 4)) + 2, values_of((2, 4), 1)

    def loss(at):
        net.blobs["x"].data[...], net.blobs["t"].data[...] = at, t
        return float(net.forward()["loss"])

    loss(x)
    net.backward()
    found, step = net.blobs["x"].diff.copy(), 1e-6
    for index in np.ndindex(x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        assert found[index] == pytest.approx((loss(moved[0]) - loss(moved[1])) / (2 * step), rel=1e-5, abs=1e-8)


def test_a_layer_that_cannot_work_in_place_gets_a_copy_of_its_bottom():
    text = """force_backward: true
        layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 } } }
        layer { name: "p" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }
        layer { name: "ip" type: "InnerProduct" bottom: "y" top: "y" inner_product_param { num_output: 2 } }"""
    net = net_of(text)
    net.blobs["x"].data[...] = [[1, 2], [3, 4], [5, 6]]
    net.params["ip"][0].data[...] = weights = np.array([[1, 10], [100, 1000]])
    for _ in range(2):
        np.testing.assert_array_equal(net.forward(end="p")["y"], 2 * net.blobs["x"].data)
        np.testing.assert_array_equal(net.forward()["y"], 2 * net.blobs["x"].data @ weights.T)
    net.blobs["y"].diff[...] = [[1, 0], [0, 1], [0, 0]]
    net.clear_param_diffs()
    net.backward()
    np.testing.assert_array_equal(net.params["ip"][0].diff, [[2, 4], [6, 8]])
    np.testing.assert_array_equal(net.blobs["x"].diff, [[2, 20], [200, 2000], [0, 0]])


def test_a_top_of_another_shape_cannot_be_the_bottom():
    text = INPUT + 'layer { name: "r" type: "Reduction" bottom: "a" top: "a" reduction_param { axis: 1 } }'
    with pytest.raises(LayerError, match=r"a bottom of 2 3 2 2 \(24\) would become 2 \(2\); give the top another name"):
        net_of(text)


def test_without_a_gradient_a_layer_in_place_hands_on_none():
    net = net_of(
        "force_backward: true " + INPUT + 'layer { name: "p" type: "Power" bottom: "a" top: "b" }'
        'layer { name: "t" type: "Threshold" bottom: "b" top: "b" }'
    )
    net.forward()
    net.blobs["b"].diff[...] = 1
    net.backward()
    assert not net.blobs["a"].diff.any()


def test_a_sum_in_place_of_several_views_of_one_memory_counts_each_once():
    net = net_of(
        INPUT + 'layer { name: "c" type: "Power" bottom: "a" top: "c" }'
        'layer { name: "s" type: "Split" bottom: "c" top: "x" top: "y" top: "z" }'
        'layer { name: "e" type: "Eltwise" bottom: "x" bottom: "y" bottom: "z" top: "x" }'
    )
    net.blobs["a"].data[...] = 1
    np.testing.assert_array_equal(net.forward()["x"], 3)


WEIGHTED = (
    "force_backward: true " + INPUT + 'layer { name: "p" type: "Power" bottom: "a" top: "c" }'
    'layer { name: "q" type: "Power" bottom: "c" top: "c" power_param { scale: 2 } }'
    'layer { name: "r" type: "Power" bottom: "c" top: "c" power_param { scale: 3 } loss_weight: 5 }'
)


def test_the_loss_weight_of_an_in_place_top_is_the_same_in_each_pass():
    net = net_of(WEIGHTED)
    for run in (net.forward, None, net.forward, net.reshape):  # None: the gradients of the same pass once more
        if run:
            run()
        net.backward()
        np.testing.assert_array_equal(net.blobs["a"].diff, 30)
    net.blobs["a"].reshape(5, 3, 2, 2)
    for _ in range(2):
        net.forward()
        net.backward()
        np.testing.assert_array_equal(net.blobs["a"].diff, 30)


def test_what_the_user_writes_in_the_diff_of_a_weighted_in_place_top_stays():
    net = net_of(WEIGHTED)
    net.forward()
    net.backward()
    net.blobs["c"].diff[...] = 7
    for _ in range(2):
        net.backward()
        np.testing.assert_array_equal(net.blobs["a"].diff, 42)


def test_a_loss_weight_survives_a_pass_back_in_parts():
    net = net_of(WEIGHTED)
    for _ in range(2):
        net.forward()
        net.backward(end="r")
        net.backward(start="q")
        np.testing.assert_array_equal(net.blobs["a"].diff, 30)


PUPILS = """
import caffe

class Constant(caffe.Layer):
    def setup(self, bottom, top):
        top[0].reshape(2)
        top[0].data[...] = 1

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        pass

    def backward(self, top, propagate_down, bottom):
        pass
"""


def test_a_python_layer_need_not_fill_its_top_in_each_pass(tmp_path, monkeypatch):
    (tmp_path / "constant_pupil.py").write_text(PUPILS)
    monkeypatch.syspath_prepend(tmp_path)
    net = net_of(
        'layer { name: "c" type: "Python" top: "x" python_param { module: "constant_pupil" layer: "Constant" } }'
        'layer { name: "p" type: "Power" bottom: "x" top: "x" power_param { scale: 2 } }'
    )
    for _ in range(3):
        np.testing.assert_array_equal(net.forward()["x"], 2)


class Plugin(plugins.Layer):
    exact_num_bottom_blobs = exact_num_top_blobs = 1

    def reshape(self, bottom, top):
        top[0].reshape_like(bottom[0])


class View(Plugin):
    def forward(self, bottom, top):
        top[0].share_data(bottom[0])

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff


class TanHFromTop(Plugin):
    def forward(self, bottom, top):
        np.tanh(bottom[0].data, out=top[0].data)

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = (1 - top[0].data ** 2) * top[0].diff


def test_plugin_layers_that_say_nothing_are_protected(monkeypatch):
    monkeypatch.setattr(LAYERS, "_members", dict(LAYERS._members))
    plugins.register_layer("OwnView")(View)
    plugins.register_layer("OwnTanH")(TanHFromTop)
    net = net_of(
        "force_backward: true " + INPUT + 'layer { name: "v" type: "OwnView" bottom: "a" top: "v" }'
        'layer { name: "t" type: "OwnTanH" bottom: "v" top: "v" }'
        'layer { name: "w" type: "OwnView" bottom: "v" top: "w" }'
        'layer { name: "p" type: "Power" bottom: "w" top: "w" power_param { scale: 3 } }'
    )
    given = values_of((2, 3, 2, 2))
    net.blobs["a"].data[...] = given
    for _ in range(2):
        np.testing.assert_allclose(net.forward()["w"], 3 * np.tanh(given), rtol=1e-12)
        net.blobs["w"].diff[...] = 1
        net.backward()
        np.testing.assert_allclose(net.blobs["a"].diff, 3 * (1 - np.tanh(given) ** 2), rtol=1e-12)
        np.testing.assert_array_equal(net.blobs["a"].data, given)
