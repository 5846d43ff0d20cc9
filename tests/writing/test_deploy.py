from pathlib import Path

import pytest

from caffelite.core.errors import NetError
from caffelite.core.layer import Context
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.prototxt.parse import parse_net, read_net
from caffelite.proto.caffe_pb2 import TEST
from caffelite.writing.deploy import deploy

MODELS = Path(__file__).resolve().parents[2] / "models"
DATA = """layer { name: "d" type: "DummyData" top: "data" top: "label" top: "target" dummy_data_param {
  shape { dim: 2 dim: 3 } shape { dim: 2 } shape { dim: 2 dim: 4 } data_filler { type: "uniform" } } }
"""
IP = """layer {{ name: "{0}" type: "InnerProduct" bottom: "data" top: "{0}" inner_product_param {{ num_output: 4 }} }}
"""


def loss(type_, bottoms, name="loss", fields=""):
    wires = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
    return f'layer {{ name: "{name}" type: "{type_}" {wires} top: "{name}" {fields} }}\n'


def deployed(text, **options):
    draft = Draft.of(*parse_net(text, "net.prototxt"))
    return deploy(draft.with_param(with_caller_state(draft.param, TEST)), Context(), **options)


def layers_of(text):
    return [(layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in deployed(text).net.layer]


INPUT = ("data", "Input", [], ["data"])
SCORES = ("ip", "InnerProduct", ["data"], ["ip"])


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (loss("SoftmaxWithLoss", ["ip", "label"]), [("prob", "Softmax", ["ip"], ["prob"])]),
        (loss("SigmoidCrossEntropyLoss", ["ip", "target"]), [("prob", "Sigmoid", ["ip"], ["prob"])]),
        (loss("EuclideanLoss", ["ip", "target"]), []),
        (loss("EuclideanLoss", ["target", "ip"]), []),
        (loss("HingeLoss", ["ip", "label"]) + loss("Accuracy", ["ip", "label"], "accuracy"), []),
        (loss("Reduction", ["ip"], "sum", "loss_weight: 1"), []),
        (loss("Softmax", ["ip"], "p") + loss("SoftmaxWithLoss", ["ip", "label"]), [("p", "Softmax", ["ip"], ["p"])]),
        ("", []),
        (loss("Silence", ["label"], "s").replace('top: "s"', ""), []),
    ],
)
def test_ends(end, expected):
    assert layers_of(DATA + IP.format("ip") + end) == [INPUT, SCORES, *expected]


def test_a_taken_name():
    text = DATA + IP.format("prob") + loss("SoftmaxWithLoss", ["prob", "label"], "out")
    assert layers_of(text)[2] == ("out", "Softmax", ["prob"], ["out"])


def test_two_tasks_and_a_helping_loss():
    ips = "".join(IP.format(name) for name in ("a", "b", "c"))
    ends = loss("SoftmaxWithLoss", ["a", "label"], "la", "loss_weight: 0.3") + loss(
        "SoftmaxWithLoss", ["b", "label"], "lb"
    )
    made = deployed(DATA + ips + ends + loss("EuclideanLoss", ["c", "target"], "lc", "loss_weight: 0.5"))
    assert [layer.name for layer in made.net.layer] == ["data", "b", "c", "prob"]
    assert made.notes == [
        'the loss "la", of weight 0.3, is left out with all that only it needs: "lb" has the same labels, and the '
        "weight 1"
    ]


def test_what_is_for_training_goes():
    text = DATA + (
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" param { lr_mult: 2 } param { name: "b" } '
        'inner_product_param { num_output: 4 weight_filler { type: "xavier" } bias_filler { value: 1 } } '
        "phase: TEST }\n"
        'layer { name: "bn" type: "BatchNorm" bottom: "ip" top: "ip" param { lr_mult: 0 } }\n'
        'layer { name: "s" type: "Scale" bottom: "ip" top: "ip" scale_param { filler { value: 2 } } '
        "include { phase: TEST } }\n"
        'layer { name: "drop" type: "Dropout" bottom: "ip" top: "ip" }\n'
    )
    wanted = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" param { } param { name: "b" }
      inner_product_param { num_output: 4 } }
    layer { name: "bn" type: "BatchNorm" bottom: "ip" top: "ip" batch_norm_param { use_global_stats: true } }
    layer { name: "s" type: "Scale" bottom: "ip" top: "ip" }
    layer { name: "drop" type: "Dropout" bottom: "ip" top: "ip" }"""
    assert deployed(text + loss("EuclideanLoss", ["ip", "target"])).net == parse_net(wanted, "net.prototxt")[0]


def test_batch_size_and_shapes():
    text = """layer { name: "d" type: "Data" top: "data" top: "label" 
      transform_param { crop_size: 5 mean_value: 3 scale: 0.5 } data_param { source: "x" batch_size: 64 } }
    """ + IP.format("ip")
    made = deployed(text, batch_size=10)
    assert list(made.net.layer[0].input_param.shape[0].dim) == [10, 3, 5, 5]
    comment = "In training the values were pixels, 0 to 255, less 3 (the means of the channels), times 0.5."
    assert made.comments == {0: comment}
    made = deployed(text, batch_size=10, shapes={"data": (2, 1, 5, 5)})
    assert list(made.net.layer[0].input_param.shape[0].dim) == [2, 1, 5, 5]


def test_constants_are_the_nets_own():
    draft = Draft.of(*read_net(MODELS / "lstm_sequence/train_val.prototxt"))
    net = deploy(draft.with_param(with_caller_state(draft.param, TEST)), Context()).net
    assert [(layer.name, layer.type) for layer in net.layer[:2]] == [("numbers", "Input"), ("test_cont", "DummyData")]


def test_nothing_to_use():
    with pytest.raises(NetError, match='net "n": no layer computes anything that could be used'):
        deployed(f'name: "n" {DATA}')
