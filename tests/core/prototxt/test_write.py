from pathlib import Path

import pytest

from caffelite.core.prototxt.parse import parse_net, read_net
from caffelite.core.prototxt.write import LINE_LENGTH, net_text
from caffelite.proto.caffe_pb2 import NetParameter

MODELS = sorted((Path(__file__).resolve().parents[3] / "models").glob("*/*.prototxt"))

STYLE = """# A net
#
name: "a \\"b\\" \\303\\244"
force_backward: true
# It reads this.
layer {
  name: "data" type: "Input"
  top: "data"
  input_param { shape { dim: 1 dim: 2 } }
}
layer {
  name: "c" type: "Convolution"
  bottom: "data" top: "c"
  param { name: "w" lr_mult: 0.1 }
  param { }
  convolution_param {
    num_output: 2 kernel_size: 3 kernel_size: 5 stride: 2 bias_term: false
    weight_filler { type: "gaussian" std: 1e-05 }
  }
}
layer {
  name: "p" type: "Pooling"
  bottom: "c" top: "p"
  loss_weight: 2
  include { phase: TEST stage: "x" }
  pooling_param { pool: AVE kernel_size: 2 }
}
"""


def test_style():
    text = STYLE.replace("\\303\\244", "ä")
    net = parse_net(text, "net.prototxt")[0]
    assert net_text(net, ["A net", ""], {0: "It reads this."}) == text


def test_long_lines_are_broken():
    wires = " ".join(f'bottom: "{"x" * 20}{number}"' for number in range(9))
    dims = " ".join(f"dim: {number}" for number in range(100, 130))
    text = f'layer {{ name: "c" type: "Concat" {wires} top: "c" reshape_param {{ axis: 1 shape {{ {dims} }} }} }}'
    net = parse_net(text, "net.prototxt")[0]
    lines = net_text(net).splitlines()
    assert max(map(len, lines)) <= LINE_LENGTH
    assert sum(line.startswith('  bottom: "x') for line in lines) == 9
    assert parse_net("\n".join(lines), "net.prototxt")[0] == net


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ("power: 0.1", "power: 0.1"),
        ("power: 16777216", "power: 16777216"),
        ("power: 1e30", "power: 1e+30"),
        ("power: inf shift: -inf", "power: inf"),
        ("power: nan", "power: nan"),
        ("power: 0.333333343267", "power: 0.33333334"),
    ],
)
def test_floats_are_short_and_exact(fields, written):
    net = parse_net(f'layer {{ name: "p" type: "Power" power_param {{ {fields} }} }}', "net.prototxt")[0]
    text = net_text(net)
    assert written in text
    again = parse_net(text, "net.prototxt")[0]
    assert again.SerializeToString() == net.SerializeToString()


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_is_lost_of_any_model(path):
    net, _ = read_net(path)
    assert parse_net(net_text(net), "net.prototxt")[0] == net


def test_files_in_the_style_of_models_come_out_as_they_were():
    """Those that a generator wrote have it, but for comments and the order of numbers in a message."""
    path = next(path for path in MODELS if path.parent.name == "lenet" and path.stem == "deploy")
    text = path.read_text()
    assert net_text(read_net(path)[0], [line[2:] for line in text.splitlines() if line.startswith("# ")]) == text


def test_an_empty_net():
    assert net_text(NetParameter()) == ""


def test_a_comment_of_several_lines_stays_a_comment():
    text = net_text(NetParameter(name="a"), ["one\ntwo\rthree\x85four", "", "five"])
    assert text == '# one\n# two\n# three\n# four\n#\n# five\nname: "a"\n'
