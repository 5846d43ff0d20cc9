"""Nets: the cases that Caffe's own suite checks (figures from there), and what is ours."""

import logging

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import LayerError, NetError, UnknownNameError
from caffelite.core.layer import Context
from caffelite.core.net.net import Net as Engine
from caffelite.core.net.wiring.draft import Draft
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net

TWO_BRANCHES = """
layer { name: "data" type: "DummyData" top: "data"
  dummy_data_param { shape { dim: 5 dim: 2 dim: 3 dim: 4 } data_filler { type: "gaussian" std: 0.01 } } }
layer { name: "innerproduct1" type: "InnerProduct" bottom: "data" top: "innerproduct1" %(mid)s
  param { name: "%(w1)s" } inner_product_param { num_output: 10 bias_term: false
    weight_filler { type: "gaussian" std: 10 } } }
layer { name: "innerproduct2" type: "InnerProduct" bottom: "data" top: "innerproduct2"
  param { name: "%(w2)s" } inner_product_param { num_output: 10 bias_term: false
    weight_filler { type: "gaussian" std: 10 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "innerproduct1" bottom: "innerproduct2" top: "loss" %(loss)s }
force_backward: true
"""


def net_of(text, phase=caffelite.TEST, **kwargs):
    return Net(text_format.Parse(text, caffe_pb2.NetParameter()), phase, seed=1701, **kwargs)


def two_branches(mid="", loss="", w1="a", w2="b"):
    return net_of(TWO_BRANCHES % {"mid": mid, "loss": loss, "w1": w1, "w2": w2}, dtype=np.float64)


def passed(net):
    """Run once forward and backward; return the loss and all diffs by blob name and by layer."""
    net.clear_param_diffs()
    loss = net.forward_pass()
    net.backward_pass()
    diffs = {name: blob.diff.copy() for name, blob in net.blobs.items()}
    params = {name: [blob.diff.copy() for blob in blobs] for name, blobs in net.params.items()}
    return loss, diffs, params


@pytest.mark.parametrize(
    ("force", "flags"), [("", [[], [False], [True, False]]), ("force_backward: true", [[], [True], [True, False]])]
)
def test_which_bottoms_get_a_gradient(tiny_net, force, flags):
    assert net_of(tiny_net + force).bottom_need_backward == flags


def test_parts_of_a_pass_equal_the_whole(tiny_net):
    net = net_of(tiny_net + "force_backward: true")
    loss, diffs, _ = passed(net)
    kept = net.blobs["data"].data.copy()
    assert net.forward_from_to(1, 1) + net.forward_from_to(2, 2) == loss
    for stop in (1, 2):
        net.blobs["data"].diff[...] = 0
        net.backward_from_to(2, stop)
        net.backward_from_to(stop - 1, 0)
        np.testing.assert_array_equal(net.blobs["data"].diff, diffs["data"])
    np.testing.assert_array_equal(net.blobs["data"].data, kept)


@pytest.mark.parametrize("weight", [2, 0, 1, -1, -2.5, 3.7])
def test_gradients_scale_with_the_loss_weight(weight):
    loss, diffs, params = passed(two_branches())
    scaled_loss, scaled_diffs, scaled_params = passed(two_branches(loss=f"loss_weight: {weight}"))
    assert scaled_loss == pytest.approx(weight * loss)
    for name, diff in diffs.items():
        np.testing.assert_allclose(scaled_diffs[name], weight * diff, rtol=1e-6, atol=1e-9)
    for name, (diff,) in params.items():
        np.testing.assert_allclose(scaled_params[name][0], weight * diff, rtol=1e-6, atol=1e-9)


def test_a_weight_in_the_middle_adds_its_own_gradient():
    losses, gradients = [], []
    for weight in (1, 2, 3):
        loss, diffs, _ = passed(two_branches(mid=f"loss_weight: {weight}"))
        losses.append(loss)
        gradients.append(diffs["data"])
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0])
    np.testing.assert_allclose(gradients[2] - gradients[1], gradients[1] - gradients[0], rtol=1e-6)


def test_separate_weights_get_opposite_gradients_and_shared_ones_none():
    loss, _, params = passed(two_branches())
    assert loss > 0
    np.testing.assert_allclose(params["innerproduct1"][0], -params["innerproduct2"][0], rtol=1e-6)
    loss, _, params = passed(two_branches(w1="w", w2="w"))
    assert loss == 0
    assert not params["innerproduct1"][0].any() and not params["innerproduct2"][0].any()


SHARED_CHAIN = """
layer { name: "data" type: "DummyData" top: "data1" top: "data2"
  dummy_data_param { shape { dim: 10 dim: 10 dim: 1 dim: 1 } data_filler { type: "gaussian" std: 10 } } }
layer { name: "ip1" type: "InnerProduct" bottom: "data1" top: "ip1" param { name: "%s" }
  inner_product_param { num_output: 10 bias_term: false weight_filler { type: "constant" value: 0.5 } } }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" param { name: "%s" }
  inner_product_param { num_output: 10 bias_term: false weight_filler { type: "constant" value: 0.5 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "data2" bottom: "ip2" top: "loss" }
"""


def test_shared_parameters_are_one_memory_and_their_gradients_add_up():
    shared, apart = (net_of(SHARED_CHAIN % names, dtype=np.float64) for names in (("w", "w"), ("a", "b")))
    (first,), (second,) = shared.params["ip1"], shared.params["ip2"]
    assert first is not second
    assert np.shares_memory(first.data, second.data) and np.shares_memory(first.diff, second.diff)
    assert len(shared.learnable_params) == 1 and len(apart.learnable_params) == 2
    passed(shared)
    _, _, params = passed(apart)
    np.testing.assert_allclose(first.diff, params["ip1"][0] + params["ip2"][0], rtol=1e-9)


def test_parameters_are_views_of_the_arena_last_layer_first():
    net = net_of(SHARED_CHAIN % ("a", "b"))
    ip1, ip2 = net.learnable_params
    assert (ip1.layer_name, ip2.layer_name) == ("ip1", "ip2")
    assert ip2.offset == 0 and ip1.offset == 112  # 100 elements, rounded up to cache lines of 16
    net.arena.data[ip1.offset] = 7
    assert net.params["ip1"][0].data[0, 0] == 7
    assert net.arena.data.ctypes.data % 64 == 0


@pytest.mark.parametrize(
    ("loss_weight", "reader", "total", "gradient", "outputs"),
    [
        ("", "", 4.5, 3, ["l"]),
        ("", 'layer { name: "p" type: "Flatten" bottom: "l2" top: "p" }', 4.5, 3, None),
        ("loss_weight: 1", 'layer { name: "p" type: "Silence" bottom: "l" }', 4.5, 3, ["l_l_0_split_0"]),
        ("", 'layer { name: "p" type: "Silence" bottom: "l" }', 4.5, 3, ["l_l_0_split_0"]),
        ("loss_weight: 0.5", 'layer { name: "p" type: "Silence" bottom: "l" }', 2.25, 1.5, ["l_l_0_split_0"]),
    ],
)
def test_the_total_is_each_weight_times_its_value_once(loss_weight, reader, total, gradient, outputs):
    text = f"""
    layer {{ name: "d" type: "DummyData" top: "x" top: "t" dummy_data_param {{
      shape {{ dim: 4 dim: 3 }} shape {{ dim: 4 dim: 1 }} data_filler {{ value: 1 }} data_filler {{ value: 0 }} }} }}
    layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "y"
      inner_product_param {{ num_output: 1 weight_filler {{ value: 1 }} }} }}
    layer {{ name: "l" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "l" {loss_weight} }}
    {reader.replace("l2", "x") if outputs is None else reader}
    """
    net = net_of(text, caffelite.TRAIN)
    for _ in range(2):  # nothing that a pass leaves behind changes the next one
        net.clear_param_diffs()
        assert net.forward_pass() == pytest.approx(total)
        net.backward_pass()
        assert net.params["ip"][1].diff[0] == pytest.approx(gradient)
    if outputs is not None:
        assert net.outputs == outputs


def test_what_the_user_writes_into_a_loss_diff_stays(tiny_net):
    net = net_of(tiny_net, caffelite.TRAIN)
    net.forward_pass()
    net.backward_pass()
    whole = net.params["innerproduct"][1].diff.copy()
    net.blobs["top_loss"].diff[...] = 0.5
    net.clear_param_diffs()
    net.context.passes = 0
    net.forward_pass()
    net.backward_pass()
    np.testing.assert_allclose(net.params["innerproduct"][1].diff, whole / 2, rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('layer { name: "a" type: "Poolling" bottom: "x" top: "y" }', UnknownNameError, 'did you mean "Pooling"'),
        ('layer { name: "a" type: "ReLU" bottom: "dta" top: "y" }', NetError, "Unknown bottom blob 'dta' .*\"data\""),
        (
            'layer { name: "a" type: "ReLU" bottom: "data" top: "label" }',
            NetError,
            "Top blob 'label' produced by multiple",
        ),
        (
            'layer { name: "a" type: "ReLU" bottom: "data" top: "y" top: "z" }',
            LayerError,
            "ReLU Layer produces 1 top blob",
        ),
        (
            'layer { name: "a" type: "ReLU" bottom: "data" top: "y" param {} }',
            NetError,
            "Too many params specified for layer a",
        ),
        (
            'layer { name: "a" type: "ReLU" bottom: "data" top: "y" loss_weight: [1, 2] }',
            LayerError,
            "once per top blob",
        ),
        (
            'layer { name: "a" type: "InnerProduct" bottom: "data" top: "y"'
            " inner_product_param { num_output: 2000000000 } }",
            NetError,
            r'layer "a" \(InnerProduct\): making its parameters and their gradients needs 372.5 GiB of memory and',
        ),
        (
            "".join(
                f'layer {{ name: "b{i}" type: "Input" top: "z{i}" input_param {{ shape {{ dim: 2147483647 }} }} }}'
                for i in range(400)
            ),
            NetError,
            r'"b\d+" \(\w+\): the net up to this layer needs [\d.]+ [GT]iB of memory and [\d.]+ GiB are available',
        ),
    ],
)
def test_nets_that_cannot_work(tiny_net, text, error, message):
    with pytest.raises(error, match=message):
        net_of(tiny_net + text)


def test_an_error_names_file_line_layer_and_field(tmp_path):
    file = tmp_path / "net.prototxt"
    file.write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }\n'
        'layer { name: "pool1" type: "Pooling" bottom: "data" top: "pool1"\n'
        "  pooling_param {\n    kernel_size: 2\n    stride: 0\n  }\n}\n"
    )
    with pytest.raises(LayerError) as caught:
        Net(file, caffelite.TEST)
    assert str(caught.value).startswith(f'{file}:5: layer "pool1" (Pooling): pooling_param.stride is 0; use')


def test_the_log_of_the_construction_is_caffes(tiny_net, caplog):
    caplog.set_level(logging.INFO, "caffelite")
    net_of(tiny_net, caffelite.TRAIN)
    lines = caplog.messages
    assert lines[0].startswith("Initializing net from parameters: \nname:")
    for line in ("Creating Layer data", "data -> label", "innerproduct <- data", "Top shape: 5 2 3 4 (120)"):
        assert line in lines
    assert lines[-3:] == [
        "data does not need backward computation.",
        "This network produces output top_loss",
        "Network initialization done.",
    ]


def test_another_engine_is_said_once(caplog):
    text = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 } } }
    layer { name: "relu1" type: "ReLU" bottom: "data" top: "a" relu_param { engine: CUDNN } }
    layer { name: "relu2" type: "ReLU" bottom: "a" top: "b" relu_param { engine: CUDNN } }
    layer { name: "relu3" type: "ReLU" bottom: "b" top: "c" relu_param { engine: CAFFE } }
    """
    net_of(text)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["engine: CUDNN (layer relu1, ...) is computed by caffelite's own kernels, on the CPU."]


def test_debug_info_logs_mean_absolute_values(tiny_net, caplog):
    net = net_of(tiny_net + "debug_info: true", caffelite.TRAIN)
    caplog.set_level(logging.INFO, "caffelite")
    caplog.clear()
    net.forward_pass()
    net.backward_pass()
    text = "\n".join(caplog.messages)
    assert "    [Forward] Layer loss, top blob top_loss data: 2.30" in text
    assert "    [Forward] Layer innerproduct, param blob 0 data: 0.0" in text
    assert "    [Backward] Layer loss, bottom blob innerproduct diff: 0.0" in text
    assert "    [Backward] All net params (data, diff): L1 norm = (" in text


def test_the_same_seed_gives_the_same_net(tiny_net):
    first, second = net_of(tiny_net), net_of(tiny_net)
    other = Net(text_format.Parse(tiny_net, caffe_pb2.NetParameter()), caffelite.TEST, seed=3)
    np.testing.assert_array_equal(first.arena.data, second.arena.data)
    assert (first.arena.data != other.arena.data).any()
    assert first.forward_pass() == second.forward_pass()


def test_the_engine_makes_a_net_of_a_draft_alone(tiny_net):
    param = text_format.Parse(tiny_net + "state { phase: TRAIN }", caffe_pb2.NetParameter())
    net = Engine(Draft.of(param), Context(seed=1701))
    assert (net.name, net.phase, net.outputs) == ("TinyTestNetwork", caffelite.TRAIN, ["top_loss"])
    assert net.forward_pass() == net_of(tiny_net, caffelite.TRAIN).forward_pass()


def test_states_of_layers_of_one_name_are_kept_apart():
    layers = "".join(
        f'layer {{ name: "a" type: "Input" top: "{i}" input_param {{ shape {{ dim: 1 }} }} }}' for i in (1, 2)
    )
    net = net_of(layers)
    taken = []
    for number, layer in enumerate(net.core_layers):
        layer.get_state = lambda number=number: {"number": number + 1}
        layer.set_state = lambda state, number=number: taken.append((number, state))
    assert net.get_state() == {"a (1)": {"number": 1}, "a": {"number": 2}}
    net.set_state(net.get_state())
    assert taken == [(0, {"number": 1}), (1, {"number": 2})]


RELU = 'layer { name: "r" type: "ReLU" bottom: "in" top: "%s" }\n'


@pytest.mark.parametrize("blob", ["in", "r"])
def test_an_input_without_a_shape_is_named_by_the_layer_that_needs_it(blob):
    text = 'layer { name: "in" type: "Input" top: "in" }\n' + RELU % blob
    text += f'layer {{ name: "ip" type: "InnerProduct" bottom: "{blob}" top: "ip" '
    text += "inner_product_param { num_output: 2 } }"
    with pytest.raises(LayerError) as caught:
        net_of(text)
    assert str(caught.value) == (
        'layer "ip" (InnerProduct): inner_product_param.axis is 1; the bottom has no shape yet; layer "in" gives '
        "'in' no shape: write the sizes of your data there, such as "
        "input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }"
    )


def test_an_input_without_a_shape_that_two_layers_read_is_named_too():
    text = 'layer { name: "in" type: "Input" top: "in" }\n' + RELU % "r" + (RELU % "s").replace('"r"', '"s"')
    with pytest.raises(LayerError, match="a blob that several layers read needs one; layer \"in\" gives 'in' no shape"):
        net_of(text)


def test_a_misspelt_filler_has_its_own_line(tmp_path):
    (
        tmp_path / "net.prototxt"
    ).write_text("""layer { name: "in" type: "Input" top: "in" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "in" top: "ip" inner_product_param { num_output: 2
    weight_filler { type: "xavier" }
    bias_filler {
        type: "constnt" } } }""")
    with pytest.raises(LayerError) as caught:
        Net(tmp_path / "net.prototxt", caffelite.TEST)
    assert str(caught.value).endswith(
        'net.prototxt:5: layer "ip" (InnerProduct): inner_product_param.bias_filler.type is "constnt"; '
        'Unknown filler name: did you mean "constant"?'
    )
