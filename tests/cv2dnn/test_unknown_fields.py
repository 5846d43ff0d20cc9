"""Fields that caffe.proto lacks are cut out of the text, line for line, and handed on."""

import pytest

from caffelite.cv2dnn.unknown_fields import take_unknown_fields

TEXT = """name: "n"  # foo_param { a: 1 }
layer {
  name: "a" type: "Foo" bottom: "x" top: "y"
  foo_param {
    k: 3
    inner < w: -2.5 s: 'x{y' >
  }
  mode: FAST
  power_param { power: 2 }
}
layer { name: "b" type: "ReLU" bottom: "y" top: "z" odd: 1 }
"""


def test_takes_only_what_is_unknown():
    taken = take_unknown_fields(TEXT, ["Foo"])
    assert taken.fields == [{"k": "3", "w": "-2.5", "s": "x{y", "mode": "FAST"}]
    assert len(taken.text) == len(TEXT)
    kept = taken.text.split("\n")
    assert kept[:3] == TEXT.split("\n")[:3]
    assert [line.strip() for line in kept[3:8]] == [""] * 5
    assert kept[8:] == TEXT.split("\n")[8:]  # another type's mistakes stay


def test_each_layer_has_its_own():
    layers = "".join(f'layer {{ type: "Foo" v: {i} }} ' for i in range(2))
    assert take_unknown_fields(layers, {"Foo"}).fields == [{"v": "0"}, {"v": "1"}]
    assert take_unknown_fields(layers, ()) == (layers, [])


@pytest.mark.parametrize("text", ["", "layer {", 'layer { type: "Foo" v {', "}}} :", "layer: 3"])
def test_leaves_mistakes_to_the_reader(text):
    assert take_unknown_fields(text, {"Foo"}).text == text
