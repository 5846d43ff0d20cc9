import logging
from pathlib import Path

import numpy as np
import pytest

import caffelite
from caffelite.core.layer import LAYERS, register_layer
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import filter_net
from caffelite.core.net.wiring.state import with_state
from caffelite.core.net.wiring.unread import OWN_MESSAGES, unread
from caffelite.core.prototxt.parse import parse_net
from caffelite.core.prototxt.upgrade import load_net, upgrade_net
from caffelite.proto.caffe_pb2 import TEST, TRAIN, NetState

ROOT = Path(__file__).resolve().parents[4]
GOLDEN = ROOT / "tests" / "golden"


def told(text):
    return unread(Draft.of(*upgrade_net(*parse_net(text, "f"))[:2]))


def layer_text(layer_type, fields):
    return f'layer {{ name: "x"\n type: "{layer_type}"\n {fields} }}'


@pytest.mark.parametrize(
    ("layer_type", "fields", "text"),
    [
        (
            "Data",
            "image_data_param { batch_size: 3 }",
            "image_data_param has no effect; Data layers read data_param and transform_param, image_data_param is for "
            "ImageData",
        ),
        (
            "ReLU",
            "prelu_param { }",
            "prelu_param has no effect; ReLU layers read relu_param, prelu_param is for PReLU",
        ),
        (
            "Convolution",
            'inner_product_param { weight_filler { type: "xavier" } }',
            "inner_product_param has no effect; Convolution layers read convolution_param, "
            "inner_product_param is for InnerProduct",
        ),
        (
            "EuclideanLoss",
            "loss_param { normalize: true }",
            "loss_param has no effect; EuclideanLoss layers read no message of their own, "
            "loss_param is for InfogainLoss, SigmoidCrossEntropyLoss, SoftmaxWithLoss",
        ),
        (
            "Split",
            "relu_param { }",
            "relu_param has no effect; Split layers read no message of their own, relu_param is for ReLU",
        ),
        ("Data", "data_param { scale: 0.5 }", "data_param.scale has no effect; write transform_param.scale"),
        (
            "Data",
            'data_param { mean_file: "m" }',
            "data_param.mean_file has no effect; write transform_param.mean_file",
        ),
        (
            "Data",
            "data_param { crop_size: 2 }",
            "data_param.crop_size has no effect; write transform_param.crop_size",
        ),
        ("Data", "data_param { mirror: true }", "data_param.mirror has no effect; write transform_param.mirror"),
        (
            "Data",
            "data_param { force_encoded_color: true }",
            "data_param.force_encoded_color has no effect; write transform_param.force_color",
        ),
        (
            "Data",
            "data_param { rand_skip: 9 }",
            "data_param.rand_skip has no effect; no record is skipped, as in Caffe",
        ),
        (
            "LRN",
            "lrn_param { norm_region: WITHIN_CHANNEL k: 2 }",
            "lrn_param.k has no effect; it is for norm_region: ACROSS_CHANNELS; WITHIN_CHANNEL takes 1, as in Caffe",
        ),
        (
            "Eltwise",
            "eltwise_param { operation: MAX coeff: 2 }",
            "eltwise_param.coeff has no effect; it is for operation: SUM",
        ),
    ],
)
def test_what_a_layer_does_not_read_is_told_with_its_line(layer_type, fields, text):
    assert told(layer_text(layer_type, fields)) == [f'f:3: layer "x" ({layer_type}): {text}']


@pytest.mark.parametrize(
    ("layer_type", "fields"),
    [
        ("Data", "data_param { scale: 1 mirror: false rand_skip: 0 }"),  # as if it were not there
        ("LRN", "lrn_param { norm_region: WITHIN_CHANNEL k: 1 }"),
        ("LRN", "lrn_param { k: 2 engine: CAFFE }"),
        ("Sigmoid", "sigmoid_param { engine: CUDNN }"),
        ("SPP", "spp_param { engine: CAFFE }"),
        ("Pooling", "pooling_param { pool: STOCHASTIC engine: CAFFE }"),
        ("RNN", "recurrent_param { expose_hidden: true debug_info: true }"),
        ("MemoryData", "transform_param { scale: 2 }"),
        ("Eltwise", "eltwise_param { operation: PROD stable_prod_grad: false }"),
        ("SoftmaxWithLoss", "loss_param { ignore_label: 1 } softmax_param { axis: 2 }"),
        ("ReLU", "param { lr_mult: 1 } include { phase: TRAIN } loss_weight: 1 propagate_down: true blobs { }"),
    ],
)
def test_what_is_read_or_changes_nothing_is_not_told(layer_type, fields):
    assert told(layer_text(layer_type, fields)) == []


def test_fields_that_an_upgrade_moved_are_read():
    old = (
        'layers { name: "x" type: DATA data_param { scale: 0.5 crop_size: 3 mirror: true mean_file: "m" } }'
        'layers { name: "y" type: RELU bottom: "x" top: "y" }'
    )
    assert told(old) == []
    assert told('layers { layer { name: "x" type: "data" source: "s" batchsize: 2 cropsize: 3 } top: "x" }') == []


def test_a_layer_from_no_file_has_no_line():
    param = parse_net(layer_text("ReLU", "prelu_param { }"), "f")[0]
    assert unread(Draft.of(param))[0].startswith('layer "x" (ReLU): prelu_param has no effect')


def test_own_messages_are_those_of_single_layer_types():
    assert {"pooling_param", "loss_param", "transform_param"} <= set(OWN_MESSAGES)
    assert {"param", "include", "exclude", "blobs"}.isdisjoint(OWN_MESSAGES)


@pytest.fixture
def own_layer():
    """A layer type of a user, derived from one of ours; it is forgotten after the test."""

    @register_layer("OwnReLU")
    class OwnReLULayer(LAYERS["ReLU"][0].layer_class):
        """Reads what it likes."""

    yield OwnReLULayer
    del LAYERS._members["OwnReLU"]


def test_a_layer_of_the_users_that_declares_nothing_is_not_checked(own_layer):
    text = layer_text("OwnReLU", "prelu_param { }")
    assert told(text) == []
    own_layer.messages = ("relu_param",)
    assert told(text) == [
        'f:3: layer "x" (OwnReLU): prelu_param has no effect; OwnReLU layers read relu_param, prelu_param is for PReLU'
    ]


def known_nets():
    """Message and lines of every net of models/ and golden/."""
    for path in sorted([*(ROOT / "models").rglob("*.prototxt"), *GOLDEN.rglob("*.prototxt")]):
        if "solver" not in path.name:
            yield load_net(path)[:2]
    for path in sorted(GOLDEN.rglob("*.npz")):
        with np.load(path) as case:
            for key in {"prototxt", "net"}.intersection(case.files):
                yield upgrade_net(*parse_net(str(case[key]), path.name))[:2]


def test_no_known_net_is_warned_of():
    count, found = 0, set()
    for param, lines in known_nets():
        count += 1
        for phase in (TRAIN, TEST):
            draft = filter_net(Draft.of(with_state(param, NetState(phase=phase)), lines))
            kept = [i for i, layer in enumerate(draft.layers) if layer.type in LAYERS]  # we lack some of Caffe's types
            draft = draft.with_layers([draft.layers[i] for i in kept], [draft.places[i] for i in kept])
            found.update(Path(text).name for text in unread(draft))
    assert count > 100
    assert found == {  # nets of 2013 that Caffe does not heed either
        *(
            f'{place}: layer "data" (Data): data_param.rand_skip has no effect; no record is skipped, as in Caffe'
            for place in ("v0_net.prototxt:2", "v0_net_upgraded.prototxt:16")
        ),
        *(  # Caffe's upgrade moves the scale from where the layer reads it to where it does not
            f"{place} (WindowData): transform_param.scale has no effect; write window_data_param.scale"
            for place in (
                'v0_data_kinds.prototxt:3: layer "window"',
                'v0_data_kinds_upgraded.prototxt:28: layer "window"',
                'v1_net.prototxt:16: layer "win"',
                'v1_net_upgraded.prototxt:210: layer "win"',
            )
        ),
    }


NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "relu" type: "ReLU" bottom: "x" top: "y"
  prelu_param { filler { value: 0.1 } } }
"""


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_net_tells_it_when_it_is_made(tmp_path, caplog):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    caffelite.Net(str(path), caffelite.TEST)
    assert warnings_in(caplog) == [
        f'{path}:4: layer "relu" (ReLU): prelu_param has no effect; '
        "ReLU layers read relu_param, prelu_param is for PReLU"
    ]


def test_a_solver_tells_it_once_for_all_its_nets(solvers, tmp_path, caplog):
    net = solvers.CONSTANT_NET.replace("inner_product_param", "relu_param { } inner_product_param", 1)
    path = solvers.write(tmp_path, 'lr_policy: "fixed" base_lr: 1 test_iter: 1 test_interval: 10', net)
    caffelite.get_solver(str(path))
    assert len(warnings_in(caplog)) == 1
    assert "relu_param has no effect; InnerProduct layers read inner_product_param" in warnings_in(caplog)[0]


@pytest.mark.parametrize(
    ("rules", "count"),
    [("include { phase: TEST }", 1), ("include { phase: TRAIN }", 0), ("", 0), ("exclude { stage: 's' }", 0)],
)
def test_augmentation_of_a_layer_for_tests_has_no_effect(rules, count):
    fields = f"transform_param {{ \n augmentation {{ rotation {{ degrees: 5 }} }} }} {rules}"
    found = told(layer_text("Data", fields))
    assert len(found) == count
    assert all(
        line.startswith(
            'f:4: layer "x" (Data): transform_param.augmentation has no effect; images are augmented in phase'
        )
        for line in found
    )
