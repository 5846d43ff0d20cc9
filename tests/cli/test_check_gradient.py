import sys

import pytest

MODULE = """import caffelite

class Doubles(caffelite.Layer):
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = 2 * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = FACTOR * top[0].diff
"""
NET = """layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "mine" type: "Python" bottom: "ip" top: "y" python_param { module: "doubling" layer: "Doubles" } }
"""


@pytest.fixture
def mine(folder, monkeypatch):
    def write(factor):
        sys.modules.pop("doubling", None)
        (folder / "mine.prototxt").write_text(NET)
        (folder / "doubling.py").write_text(MODULE.replace("FACTOR", factor))

    monkeypatch.setattr(sys, "path", sys.path[:])
    yield write
    sys.modules.pop("doubling", None)


def test_a_right_net(program):
    result = program("check_gradient", "net.prototxt")
    assert (result.status, result.err) == (0, "")
    head, *lines, last = result.out.splitlines()
    assert head.split() == ["layer", "type", "blob", "checked", "kinks", "worst", "error", "verdict"]
    assert [line.split()[0] for line in lines] == ["ip", "ip", "ip", "loss"]
    assert all(line.endswith("right") for line in lines)
    assert last == "All gradients are right."


def test_a_python_layer_whose_gradient_is_wrong(caffelite, mine):
    mine("2.5")
    result = caffelite("check_gradient", "mine.prototxt")
    assert result.status == 1
    line, detail, last = result.out.splitlines()[-3:]
    assert line.split()[:3] == ["mine", "Python", "bottom[0]"]
    assert line.split()[-2:] == ["2.0e-01", "WRONG"]  # 2.5 in place of 2
    assert "backward gives" in detail
    assert last == "Some gradients are wrong."


def test_a_python_layer_whose_gradient_is_right(caffelite, mine):
    mine("2")
    result = caffelite("check_gradient", "mine.prototxt", "--layer", "mine")
    assert result.status == 0
    assert len(result.out.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("net.prototxt", "--layer", "los"), 'the net has no layer "los"; did you mean "loss"?'),
        (("net.prototxt", "--samples", "0"), "--samples is 0; use 1 or more"),
        (("nowhere.prototxt",), "nowhere.prototxt: no such file"),
        ((), "check_gradient is missing FILE"),
    ],
)
def test_refuses(caffelite, words, message):
    result = caffelite("check_gradient", *words)
    assert result.status == 1
    assert message in result.error
    assert result.out == ""
