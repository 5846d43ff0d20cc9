"""The terms add up to what BVLC Caffe computed, for every layer type that has rules."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import UnknownNameError, UsageError
from caffelite.core.layer import LAYERS
from caffelite.inspection.why.terms import GRADIENTS, PARAM_GRADIENTS, VALUES, rule_for
from caffelite.inspection.why.view import View
from caffelite.proto import caffe_pb2
from caffelite.testing.golden import run_net

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "layers"
PLACES = 6  # of each blob

# Types that have rules for their values, and those of them that have none for their gradients.
COVERED = set(
    "AbsVal Accuracy ArgMax BNLL BatchNorm BatchReindex Bias Clip Concat ContrastiveLoss Convolution Crop "
    "Deconvolution Dropout ELU Eltwise Embed EuclideanLoss Exp Filter Flatten HingeLoss Im2col InfogainLoss "
    "InnerProduct LRN LSTM LSTMUnit Log MVN MultinomialLogisticLoss PReLU Parameter Pooling Power RNN ReLU Reduction "
    "Reshape SPP Scale Sigmoid SigmoidCrossEntropyLoss Slice Softmax SoftmaxWithLoss Split Swish TanH Threshold "
    "Tile".split()
)
WITHOUT_GRADIENT = {"Accuracy", "ArgMax", "Embed", "Parameter"}


@cache
def ran(name):
    """The net of a golden case after both passes, and the case."""
    with np.load(GOLDEN / f"{name}.npz") as stored:
        case = dict(stored)
    param = text_format.Parse(str(case["prototxt"]), caffe_pb2.NetParameter())
    net = caffelite.Net(param, caffelite.TEST if str(case["phase"]) == "TEST" else caffelite.TRAIN)
    run_net(net, case)
    return net, case


def places_of(array):
    flat = np.random.default_rng(7).permutation(array.size)[:PLACES]
    return [tuple(int(i) for i in np.unravel_index(place, array.shape)) if array.shape else () for place in flat]


def types_of(name):
    net, _ = ran(name)
    return net.layer_dict["layer"].type


def check(found, value, caffes):
    largest = float(abs(caffes).max(initial=1))
    assert found.total == pytest.approx(value, rel=1e-3, abs=1e-4 * largest), str(found)
    assert found.value == pytest.approx(value, rel=1e-3, abs=1e-4 * largest)
    assert found.agrees
    assert sum(term.value for term in found.terms) == pytest.approx(found.total, rel=1e-9, abs=1e-12)
    sizes = [abs(term.value) for term in found.terms]
    assert sizes == sorted(sizes, reverse=True)


GOLDEN_NAMES = sorted(path.stem for path in GOLDEN.glob("*.npz"))


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_values_are_those_of_caffe(name):
    net, case = ran(name)
    if types_of(name) not in COVERED:
        with pytest.raises(
            UsageError, match=r'layer "layer" \(.*\): what values of this type are the sum of is not kn'
        ):
            net.why("t0", *(0 for _ in case["top_0"].shape))
        return
    for key in (key for key in case if re.fullmatch(r"top_\d", key)):
        for index in places_of(case[key]):
            check(net.why(f"t{key[4:]}", *index), float(case[key][index]), case[key])


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_gradients_are_those_of_caffe(name):
    net, case = ran(name)
    for key in (key for key in case if key.startswith("bottom_diff_")):
        blob = f"b{key[12:]}"
        if types_of(name) not in COVERED - WITHOUT_GRADIENT:
            with pytest.raises(UsageError, match="what gradients of this type are the sum of is not known"):
                net.why(blob, *(0 for _ in case[key].shape), diff=True)
            continue
        for index in places_of(case[key]):
            check(net.why(blob, *index, diff=True), float(case[key][index]), case[key])


def test_the_classes_of_these_types_have_rules():
    for name in COVERED:
        for kind in LAYERS[name]:
            if getattr(kind.layer_class, "fork", ""):
                continue  # what forks make of a type has rules of its own, or none
            layer = kind.layer_class(caffe_pb2.LayerParameter(type=name))
            assert rule_for(VALUES, layer) is not None, name
            assert (rule_for(GRADIENTS, layer) is None) == (name in WITHOUT_GRADIENT), name


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_gradients_of_parameters_are_those_of_caffe(name):
    net, case = ran(name)
    for key in (key for key in case if key.startswith("param_diff_")):
        for index in places_of(case[key]):
            check(net.why(f"layer[{key[11:]}]", *index, diff=True), float(case[key][index]), case[key])


def test_a_python_layer_has_no_rules():
    layer = LAYERS["Python"][0].layer_class(caffe_pb2.LayerParameter(type="Python"))
    assert rule_for(VALUES, layer) is rule_for(GRADIENTS, layer) is rule_for(PARAM_GRADIENTS, layer) is None


# In place, where blobs hold what came later

NEURONS = {
    "relu": 'type: "ReLU" relu_param { negative_slope: 0.1 }',
    "plain relu": 'type: "ReLU"',
    "sigmoid": 'type: "Sigmoid"',
    "power": 'type: "Power" power_param { scale: -2 shift: 0.5 power: 2 }',
    "dropout": 'type: "Dropout"',
    "prelu": 'type: "PReLU"',
    "scale": 'type: "Scale" scale_param { filler { value: -3 } bias_term: true }',
    "batch_norm": 'type: "BatchNorm"',
    "lrn": 'type: "LRN" lrn_param { local_size: 3 alpha: 2 }',
    "softmax": 'type: "Softmax"',
    "mvn": 'type: "MVN"',
}
IN_PLACE = """
force_backward: true
layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 2 dim: 4 dim: 4 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "x" top: "y" convolution_param {{ num_output: 3 kernel_size: 2
         weight_filler {{ type: "gaussian" std: 1 }} bias_filler {{ value: 0.3 }} }} }}
layer {{ name: "one" bottom: "y" top: "{one}" {layer} }}
layer {{ name: "two" type: "ReLU" bottom: "{one}" top: "{two}" relu_param {{ negative_slope: 0.5 }} }}
layer {{ name: "sum" type: "Reduction" bottom: "{two}" top: "s" reduction_param {{ operation: SUMSQ }}
         loss_weight: 1 }}
"""


def in_place_and_apart(layer, tmp_path):
    nets = []
    for one, two in (("y", "y"), ("one", "two")):
        path = tmp_path / f"{one}.prototxt"
        path.write_text(IN_PLACE.format(layer=layer, one=one, two=two))
        net = caffelite.Net(path, caffelite.TRAIN, seed=5)
        net.blobs["x"].data[...] = np.random.default_rng(2).standard_normal((2, 2, 4, 4))
        net.forward()
        net.backward()
        nets.append(net)
    return nets


@pytest.mark.parametrize("name", sorted(NEURONS))
def test_in_place_layers_are_seen_through(name, tmp_path):
    within, apart = in_place_and_apart(NEURONS[name], tmp_path)
    for index in places_of(apart.blobs["y"].data):
        for layer, blob in (("conv", "y"), ("one", "one"), ("two", "two")):
            value, slope = float(apart.blobs[blob].data[index]), float(apart.blobs[blob].diff[index])
            assert within.why(layer, *index).total == pytest.approx(value, rel=1e-4, abs=1e-5)
            assert within.why(layer, *index, diff=True).total == pytest.approx(slope, rel=1e-3, abs=1e-4)
        last = within.why("y", *index)
        assert last.value == float(within.blobs["y"].data[index])
        assert (last.layers, last.agrees) == (["two (ReLU)"], True)
        first = within.why("y", *index, diff=True)
        assert first.value == float(within.blobs["y"].diff[index])
        assert first.layers == [f"one ({within.layer_dict['one'].type})"]


def test_layers_in_place_do_not_count_as_depth(tmp_path):
    within, _ = in_place_and_apart(NEURONS["sigmoid"], tmp_path)
    found = within.why("y", 0, 1, 2, 0)
    one = found.terms[0].why
    conv = one.terms[0].why
    assert (one.layers, conv.layers) == (["one (Sigmoid)"], ["conv (Convolution)"])
    assert len(conv.terms) == 2 * 4 + 1
    assert all(term.why is None for term in conv.terms)


# One value by hand

SMALL = """
force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }
layer { name: "sum" type: "Reduction" bottom: "y" top: "s" reduction_param { operation: SUMSQ } loss_weight: 1 }
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.prototxt"
    path.write_text(SMALL)
    net = caffelite.Net(path, caffelite.TRAIN)
    net.params["ip"][0].data[...] = [[1, -2, 3], [0.5, 0, 1]]
    net.params["ip"][1].data[...] = [0.25, -1]
    net.blobs["x"].data[...] = [[2, 3, 1]]
    net.forward()
    net.backward()
    return net


def test_a_value_by_hand(small):
    found = small.why("y", 0, 0)
    assert (found.value, found.total, found.name, found.index) == (-0.75, -0.75, "y", (0, 0))
    assert [(term.value, term.factor, term.input) for term in found.terms] == [
        (-6, -2, 3),
        (3, 3, 1),
        (2, 1, 2),
        (0.25, None, 0.25),
    ]
    assert [(term.name, term.index, term.factor_name) for term in found.terms] == [
        ("x", (0, 1), "ip[0][0, 1]"),
        ("x", (0, 2), "ip[0][0, 2]"),
        ("x", (0, 0), "ip[0][0, 0]"),
        ("ip[1]", (0,), ""),
    ]
    assert (
        str(found)
        == repr(found)
        == (
            "y[0, 0] = -0.75, by ip (InnerProduct), 4 terms\n"
            "  -6 = ip[0][0, 1] -2 * x[0, 1] 3\n"
            "  3 = ip[0][0, 2] 3 * x[0, 2] 1\n"
            "  2 = ip[0][0, 0] 1 * x[0, 0] 2\n"
            "  0.25 = ip[1][0]  (bias)"
        )
    )


def test_a_gradient_by_hand(small):
    """The gradients of y are 2 y, -1.5 and 2 * (1 + 1 - 1)."""
    found = small.why("x", 0, 2, diff=True, depth=2)
    assert (found.value, found.total) == (-2.5, 3 * -1.5 + 1 * 2)
    assert [(term.value, term.factor, term.input, term.is_diff) for term in found.terms] == [
        (-4.5, 3, -1.5, True),
        (2, 1, 2, True),
    ]
    assert str(found) == (
        "x[0, 2] diff = -2.5, from ip (InnerProduct), 2 terms\n"
        "  -4.5 = ip[0][0, 2] 3 * y[0, 0] diff -1.5\n"
        "    y[0, 0] diff = -1.5, from sum (Reduction)\n"
        "      -1.5 = -1.5 * s diff 1  (slope)\n"
        "  2 = ip[0][1, 2] 1 * y[0, 1] diff 2\n"
        "    y[0, 1] diff = 2, from sum (Reduction)\n"
        "      2 = 2 * s diff 1  (slope)"
    )
    loss = small.why("s", diff=True)
    assert (loss.value, [str(term) for term in loss.terms]) == (1, ["1  loss weight"])


def test_the_gradient_of_a_weight_by_hand(small):
    """One item: x times the gradient of y, -1.5 and 2."""
    found = small.why("ip[0]", 0, 2, diff=True, depth=2)
    assert (found.name, found.index, found.value, found.total) == ("ip[0]", (0, 2), -1.5, -1.5)
    assert str(found).splitlines()[:2] == [
        "ip[0][0, 2] diff = -1.5, from ip (InnerProduct)",
        "  -1.5 = x[0, 2] 1 * y[0, 0] diff -1.5",
    ]
    assert str(small.why("ip[1]", 1, diff=True).terms[0]) == "2 = y[0, 1] diff 2"
    small.backward()  # which adds to the gradients of parameters
    twice = small.why("ip[0]", 0, 2, diff=True)
    assert (twice.value, twice.total, twice.agrees) == (-3, -1.5, False)
    assert "the terms add up to -1.5: the last pass added that much; a diff keeps earlier passes too" in str(twice)


def test_what_is_not_to_be_had_of_a_parameter(small):
    with pytest.raises(UsageError, match=r"ip\[0\] is a parameter, which no layer makes; .*: write diff=True"):
        small.why("ip[0]", 0, 2)
    with pytest.raises(UsageError, match=r'layer "ip" has 2 parameters, numbered from 0, and no ip\[2\]'):
        small.why("ip[2]", 0, diff=True)
    with pytest.raises(UsageError, match=r'blob "ip\[0\]" is 2 x 3; give 2 numbers'):
        small.why("ip[0]", 0, diff=True)
    with pytest.raises(UnknownNameError, match=r'has no blob "iq\[0\]"'):
        small.why("iq[0]", 0, 2, diff=True)


SHARED = """
layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "left" type: "InnerProduct" bottom: "a" top: "l" param { name: "w" } inner_product_param {
  num_output: 1 bias_term: false weight_filler { type: "constant" value: 0.5 } } }
layer { name: "right" type: "InnerProduct" bottom: "b" top: "r" param { name: "w" } inner_product_param {
  num_output: 1 bias_term: false } }
layer { name: "frozen" type: "InnerProduct" bottom: "a" top: "f" param { lr_mult: 0 } inner_product_param {
  num_output: 1 bias_term: false } }
layer { name: "loss" type: "EuclideanLoss" bottom: "l" bottom: "r" top: "loss" }
"""


def test_all_layers_that_share_a_parameter_add_to_its_gradient(tmp_path):
    (tmp_path / "net.prototxt").write_text(SHARED)
    net = caffelite.Net(tmp_path / "net.prototxt", caffelite.TRAIN)
    a, b = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[3, 1, 0], [0, 1, 1]])
    net.blobs["a"].data[...], net.blobs["b"].data[...] = a, b
    net.forward()
    net.backward()
    apart = (a - b) @ [0.5, 0.5, 0.5]
    found = net.why("right[0]", 0, 1, diff=True)
    assert found.layers == ["left (InnerProduct)", "right (InnerProduct)"]
    assert found.total == pytest.approx(apart @ (a - b)[:, 1] / 2) and found.agrees
    with pytest.raises(UsageError, match="this parameter gets no gradient"):
        net.why("frozen[0]", 0, 1, diff=True)


@pytest.mark.parametrize("fields", ["top_k: 3", "top_k: 3 out_max_val: true", "axis: 1 top_k: 2",
                                    "axis: 1 top_k: 2 out_max_val: true"])  # fmt: skip
def test_places_and_values_of_arg_max(tmp_path, fields):
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 3 } } }'
        f'layer {{ name: "most" type: "ArgMax" bottom: "x" top: "y" argmax_param {{ {fields} }} }}'
    )
    net = caffelite.Net(tmp_path / "net.prototxt", caffelite.TEST)
    x = np.random.default_rng(1).integers(0, 9, (2, 4, 3))
    net.blobs["x"].data[...] = x
    made = net.forward()["y"]
    for index in np.ndindex(*made.shape):
        (term,) = net.why("y", *index).terms
        assert term.value == made[index]
        assert term.input == x[term.index] and term.index[0] == index[0]


def test_depth_and_follow(small):
    found = small.why("s", depth=2, follow=1)
    assert [term.why is not None for term in found.terms] == [True, False]
    assert found.terms[0].why.name == "y"
    assert all(term.why is None for term in found.terms[0].why.terms)


def test_what_was_changed_since_is_said(small):
    small.params["ip"][1].data[0] = 100
    found = small.why("y", 0, 0)
    assert (found.value, found.total, found.agrees) == (-0.75, 99, False)
    assert "the terms add up to 99: the blob, or what it is made of, was changed since" in str(found)


def test_inputs_are_given(small):
    assert [str(term) for term in small.why("x", 0, 0).terms] == ["2  given by Input"]


def test_looking_pins_nothing(small):
    for blob in small._blob_list:
        blob.pinned = False
    small.why("s", depth=3)
    small.why("x", 0, 0, diff=True, depth=3)
    assert not any(blob.pinned for blob in small._blob_list)


def test_a_blob_with_several_readers(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        SMALL + 'layer { name: "more" type: "Power" bottom: "y" top: "z" power_param { scale: 3 } }'
        'layer { name: "sum2" type: "Reduction" bottom: "z" top: "s2" loss_weight: 2 }'
    )
    net = caffelite.Net(path, caffelite.TRAIN)
    net.params["ip"][0].data[...] = [[1, -2, 3], [0.5, 0, 1]]
    net.blobs["x"].data[...] = [[2, 3, 1]]
    net.forward()
    net.backward()
    found = net.why("y", 0, 1, diff=True)
    assert (found.total, found.value) == (2 * 2 + 3 * 2, 10)
    assert found.layers == ["sum (Reduction)", "more (Power)"]
    assert net.why("z", 0, 1).terms[0].name == "y"  # not the copy of it that the net made


def test_a_plan_that_leaves_a_blob_out(small):
    """What a blob would hold is made again from its terms."""

    class Fused:
        need_backward = False

        def forward(self):
            raise AssertionError("not to be run")

    from caffelite.core.net.plan import Run

    y = small._blob_list[small.blob_names.index("y")]
    y.pinned = False
    small.plan.replace(Run(1, 2, Fused(), (y,)))
    y.data[...] = 1000  # never filled
    assert small.why("y", 0, 0).value == small.why("y", 0, 0).total == -0.75
    assert [term.input for term in small.why("s").terms] == [1, -0.75]
    assert not y.pinned


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("ip2", 0, 0), UnknownNameError, 'no blob "ip2"'),
        (("y", 0), UsageError, 'blob "y" is 1 x 2; give 2 numbers, one inside each axis, not 0'),
        (("y", 0, 2), UsageError, "not 0, 2"),
        (("y", 0, -3), UsageError, "not 0, -3"),
        (("s", 0), UsageError, 'blob "s" is a scalar; give no numbers, not 0'),
        (("y", 0, 0.5), UsageError, 'the place in blob "y" is of whole numbers, not 0, 0.5'),
        (("y", (0, 0)), UsageError, "not (0, 0)"),
    ],
)
def test_refusals(small, arguments, error, message):
    with pytest.raises(error) as caught:
        small.why(*arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("depth", [0, 1.5])
def test_depth_of_no_layer(small, depth):
    with pytest.raises(UsageError, match=f"depth is {depth}; use 1 or more layers"):
        small.why("s", depth=depth)


def test_negative_numbers_count_from_the_end(small):
    assert small.why("y", -1, -2).index == (0, 0)


def test_no_gradient(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(SMALL.replace("force_backward: true", ""))
    net = caffelite.Net(path, caffelite.TRAIN)
    with pytest.raises(UsageError, match='blob "x" gets no gradient: .* "force_backward: true"'):
        net.why("x", 0, 0, diff=True)


def test_versions_of_a_blob(small):
    view = View(small)
    assert view.last("y") == view.first("y") == ("y", 1)
