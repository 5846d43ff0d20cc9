import logging

import pytest

import caffelite
from caffelite.core.layer import LAYERS, register_layer
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.forks_taken import forks_taken
from caffelite.core.prototxt.parse import parse_net
from caffelite.core.prototxt.upgrade import upgrade_net


@pytest.fixture(autouse=True)
def shared_name():
    """A type name that stands for a layer of ours and two of forks; it is forgotten after the test."""
    plain = LAYERS["ReLU"][0].layer_class
    for fork, told_by, when in (
        ("SSD", "", lambda layer: layer.relu_param.HasField("negative_slope")),
        ("SegNet", "two bottoms", lambda layer: len(layer.bottom) == 2),
        ("", "", None),
    ):
        made = type(f"Made{fork}", (plain,), {"messages": ("relu_param",), "fork": fork, "told_by": told_by})
        register_layer("Shared", when)(made)
    yield
    del LAYERS._members["Shared"]


def layer(name, fields="", kind="Shared"):
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "x" top: "{name}" {fields} }}\n'


def told(text):
    return forks_taken(Draft.of(*upgrade_net(*parse_net(text, "f"))[:2]))


def test_the_forks_class_is_named_once_with_the_fields_that_told():
    text = layer("p") + layer("a", "relu_param { negative_slope: 2 }") + layer("b", "relu_param { negative_slope: 0 }")
    assert told(text) == ['f:2: layer "a" (Shared) and 1 more: taken as SSD\'s (negative_slope)']


def test_a_class_says_itself_what_told():
    assert told(layer("a", 'bottom: "y"')) == ['f:1: layer "a" (Shared): taken as SegNet\'s (two bottoms)']


def test_caffes_own_and_types_of_one_layer_are_not_named():
    assert told(layer("p") + layer("r", "relu_param { negative_slope: 2 }", "ReLU")) == []


def test_a_nets_log_says_it_once(tmp_path, caplog):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }\n'
        + layer("a", "relu_param { negative_slope: 2 }")
    )
    with caplog.at_level(logging.INFO, "caffelite"):
        caffelite.Net(str(path), caffelite.TEST)
    assert [text for text in caplog.messages if "taken as" in text] == [
        f'{path}:2: layer "a" (Shared): taken as SSD\'s (negative_slope)'
    ]
