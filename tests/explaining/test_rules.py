"""In a browser: the page's terms add up to what BVLC Caffe computed, for every layer type that it takes apart."""

import re
from pathlib import Path

import numpy as np
import pytest

import caffelite
from caffelite.explaining.content import content_of
from caffelite.explaining.passes import Differentiated
from caffelite.testing.golden import run_net

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "layers"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.npz"))
# Types whose gradients the page does not take apart; it says so.
NOT_BACKWARD = {"Embed", "Parameter"}
PLACES = 12

# place -> [the value of the page, the sum of the terms, how many terms are missing, a reason] of a blob
TERMS = """([name, kind, places]) => {
  const version = VERSIONS.find((one) => one.name === name);
  return places.map((place) => {
    const found = kind === "data" ? termsOfValue(version, place) : termsOfGradient(version, place);
    if (found.reason) return [null, null, 0, found.reason];
    const total = totalOf(found.parts);
    return [version.at(place, kind), total.sum, total.missing, ""];
  });
}"""


def ran(name, make_net):
    with np.load(GOLDEN / f"{name}.npz") as stored:
        case = dict(stored)
    net, origins = make_net(str(case["prototxt"]), caffelite.TEST if str(case["phase"]) == "TEST" else caffelite.TRAIN)
    run_net(net, case)
    return net, origins, case


@pytest.mark.parametrize("name", NAMES)
def test_terms_add_up_to_caffes_numbers(name, make_net, open_page, html):
    net, origins, case = ran(name, make_net)
    kind = net.layer_dict["layer"].type
    content = content_of(net, origins, Differentiated("it", "", len(net.layers)))
    page = open_page(html(content))
    for key in (key for key in case if re.fullmatch(r"top_\d|bottom_diff_\d", key)):
        is_diff = key.startswith("bottom")
        blob, caffes = (f"b{key[12:]}", case[key]) if is_diff else (f"t{key[4:]}", case[key])
        places = np.random.default_rng(7).permutation(caffes.size)[:PLACES].tolist()
        found = page.evaluate(TERMS, [blob, "diff" if is_diff else "data", places])
        largest = float(abs(caffes).max(initial=1))
        for place, (value, total, missing, reason) in zip(places, found, strict=True):
            if is_diff and kind in NOT_BACKWARD:
                assert "does not take" in reason
                continue
            assert reason == ""
            assert missing == 0
            assert total == pytest.approx(float(caffes.flat[place]), rel=1e-3, abs=1e-4 * largest), (blob, place)
            assert value == pytest.approx(float(caffes.flat[place]), rel=1e-3, abs=1e-4 * largest)


IMAGE = "dim: 2 dim: 3 dim: 7 dim: 5"
SCORES = "dim: 4 dim: 6"
FILLER = 'weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "uniform" min: -1 }'
VARIANTS = {  # type -> fields, shapes of the bottoms, how many tops; Caffe's cases have other ones of these types
    "stochastic": ('type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }', [IMAGE], 1),
    "spp_ave": ('type: "SPP" spp_param { pyramid_height: 2 pool: AVE }', [IMAGE], 1),
    "spp_one_level": ('type: "SPP" spp_param { pyramid_height: 1 }', [IMAGE], 1),
    "im2col_holes": (
        'type: "Im2col" convolution_param { kernel_h: 3 kernel_w: 2 pad: 1 stride: 2 dilation: 2 }',
        [IMAGE],
        1,
    ),
    "argmax_both": ('type: "ArgMax" argmax_param { top_k: 3 out_max_val: true }', [SCORES], 1),
    "argmax_axis": ('type: "ArgMax" argmax_param { top_k: 2 axis: 1 }', [IMAGE], 1),
    "argmax_values": ('type: "ArgMax" argmax_param { top_k: 2 axis: -1 out_max_val: true }', [IMAGE], 1),
    "hinge_l2": ('type: "HingeLoss" hinge_loss_param { norm: L2 }', [SCORES, "dim: 4"], 1),
    "contrastive_legacy": (
        'type: "ContrastiveLoss" contrastive_loss_param { margin: 9 legacy_version: true }',
        [SCORES, SCORES, "dim: 4"],
        1,
    ),
    "infogain_ignore": (
        'type: "InfogainLoss" loss_param { ignore_label: 1 }',
        [SCORES, "dim: 4", "dim: 1 dim: 1 dim: 6 dim: 6"],
        2,
    ),
    "accuracy_by_class": ('type: "Accuracy" accuracy_param { top_k: 2 ignore_label: 3 }', [SCORES, "dim: 4"], 2),
    "batch_reindex": ('type: "BatchReindex"', [IMAGE, "dim: 5"], 1),
    "filter_two": ('type: "Filter"', [SCORES, "dim: 4 dim: 3", "dim: 4"], 2),
    "lstm_fixed_input": (
        f'type: "LSTM" recurrent_param {{ num_output: 3 {FILLER} }}',
        ["dim: 4 dim: 2 dim: 5", "dim: 4 dim: 2", "dim: 2 dim: 6"],
        1,
    ),
    "rnn_fixed_input": (
        f'type: "RNN" recurrent_param {{ num_output: 3 {FILLER} }}',
        ["dim: 4 dim: 2 dim: 5", "dim: 4 dim: 2", "dim: 2 dim: 6"],
        1,
    ),
    "lstm_unit_begins": ('type: "LSTMUnit"', ["dim: 1 dim: 3 dim: 2", "dim: 1 dim: 3 dim: 8", "dim: 1 dim: 3"], 2),
}
ALL_TERMS = """([name, kind]) => {
  const version = VERSIONS.find((one) => one.name === name);
  return [...Array(version.count).keys()].map((place) => {
    const found = kind === "data" ? termsOfValue(version, place) : termsOfGradient(version, place);
    return found.reason ? found.reason : totalOf(found.parts).missing ? "missing" : totalOf(found.parts).sum;
  });
}"""


@pytest.mark.parametrize("name", VARIANTS)
def test_terms_add_up_in_other_forms_of_a_type(name, make_net, open_page, html):
    layer, shapes, tops = VARIANTS[name]
    inputs = "".join(
        f'layer {{ name: "x{i}" type: "Input" top: "x{i}" input_param {{ shape {{ {shape} }} }} }}\n'
        for i, shape in enumerate(shapes)
    )
    wires = "".join(f'bottom: "x{i}" ' for i in range(len(shapes))) + "".join(f'top: "t{i}" ' for i in range(tops))
    net, origins = make_net(f'force_backward: true {inputs} layer {{ name: "layer" {layer} {wires} }}')
    random = np.random.default_rng(11)
    for i in range(len(shapes)):
        values = net.blobs[f"x{i}"].data
        values[...] = random.permutation(values.size).reshape(values.shape) % 13 / 4
        if i == len(shapes) - 1 and i > 0:  # labels, items, selectors, signs to go on
            values[...] = random.integers(0, 2, values.shape) if i > 1 else random.integers(0, 4, values.shape)
    if "fixed_input" in name:
        net.blobs["x1"].data[...] = [[0, 0], [1, 1], [1, 0], [1, 1]]
    if name == "infogain_ignore":
        net.blobs["x1"].data[...] = [2, 1, 0, 5]
        net.blobs["x2"].data[...] = random.integers(0, 3, (1, 1, 6, 6))
    if name == "batch_reindex":
        net.blobs["x1"].data[...] = [1, 0, 1, 1, 1]
    net.forward()
    can_go_back = net.core_layers[-1].has_backward
    for i in range(tops):
        if can_go_back and not (net.layer_dict["layer"].type.endswith("Loss") and i == 0):
            net.blobs[f"t{i}"].diff[...] = 0 if "Loss" in layer else random.standard_normal(net.blobs[f"t{i}"].shape)
    if can_go_back:
        net.backward()
    page = open_page(html(content_of(net, origins, Differentiated("it", "", len(net.layers)))))
    for i in range(tops):
        found = page.evaluate(ALL_TERMS, [f"t{i}", "data"])
        assert found == pytest.approx(net.blobs[f"t{i}"].data.reshape(-1).tolist(), rel=1e-5, abs=1e-6)
    for i in range(len(shapes)):
        if (
            can_go_back
            and net.core_layers[-1].allow_force_backward(i)
            and not (i and "Loss" in layer and "Contr" not in layer)
        ):
            found = page.evaluate(ALL_TERMS, [f"x{i}", "diff"])
            assert any(found)
            assert found == pytest.approx(net.blobs[f"x{i}"].diff.reshape(-1).tolist(), rel=1e-5, abs=1e-6)


SATURATED = {
    "elu": 'type: "ELU"',
    "sigmoid": 'type: "Sigmoid"',
    "tanh": 'type: "TanH"',
    "softmax_loss": 'type: "SoftmaxWithLoss" bottom: "label" propagate_down: true propagate_down: false',
    "infogain_loss": 'type: "InfogainLoss" bottom: "label" bottom: "prices" '
    "propagate_down: true propagate_down: false propagate_down: false",
    "sigmoid_loss": 'type: "SigmoidCrossEntropyLoss" bottom: "target" propagate_down: true propagate_down: false',
}
DISAGREEING = """([name, kind]) => {
  const version = VERSIONS.find((one) => one.name === name);
  const find = kind === "data" ? termsOfValue : termsOfGradient;
  const wrong = (place) => !agrees(totalOf(find(version, place).parts), version.at(place, kind));
  return [...Array(version.count).keys()].filter(wrong).map((place) => version.at(place, kind));
}"""
BENT = """([name, kind, change]) => {
  const version = VERSIONS.find((one) => one.name === name);
  const find = kind === "data" ? termsOfValue : termsOfGradient;
  return agrees(totalOf(find(version, 0).parts), version.at(0, kind) + change);
}"""


@pytest.mark.parametrize("name", SATURATED)
def test_what_float32_rounds_near_the_ends_is_no_disagreement(name, make_net, open_page, html):
    x = np.array([[-25, -12, -9.5, -1e-4, 1e-6, -1, -2, 12.5]])
    shapes = {"x": "dim: 1 dim: 8", "target": "dim: 1 dim: 8", "label": "dim: 1", "prices": "dim: 8 dim: 8"}
    inputs = "".join(
        f'layer {{ name: "{blob}" type: "Input" top: "{blob}" input_param {{ shape {{ {shape} }} }} }}\n'
        for blob, shape in shapes.items()
    )
    words = SATURATED[name].split(" ", 2)
    layer = f'{words[0]} {words[1]} bottom: "x" {"".join(words[2:])} top: "t"'
    net, origins = make_net(f'force_backward: true {inputs} layer {{ name: "layer" {layer} }}')
    net.blobs["x"].data[...] = x
    net.blobs["target"].data[...] = x > 0
    net.blobs["label"].data[...] = 7
    net.blobs["prices"].data[...] = np.eye(8)
    net.forward()
    net.blobs["t"].diff[...] = 1
    net.backward()
    page = open_page(html(content_of(net, origins, Differentiated("it", "", len(net.layers)))))
    assert page.evaluate(DISAGREEING, ["t", "data"]) == []
    assert page.evaluate(DISAGREEING, ["x", "diff"]) == []
    assert not page.evaluate(BENT, ["t", "data", 0.001])
    assert not page.evaluate(BENT, ["x", "diff", 0.001])
