import math

import pytest

from caffelite.core.errors import LayerError
from caffelite.core.layer_fields import MissingFieldError, OwnFields, own_fields_of
from caffelite.core.prototxt.own_fields import read_fields
from caffelite.proto.caffe_pb2 import LayerParameter

TEXT = """
size: 3 octal: 010 hex: -0x10 scale: 1.5f small: 1e-3 far: -inf on: true one: 1
mode: MAX text: "a\\n\\303\\251" dim: 1 dim: 2 inner { deep { x: 1 } } inner { } bad: 08
"""


def fields(text=TEXT):
    return OwnFields(read_fields(f"my_param {{ {text} }}")).my_param


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 3),
        ("octal", 8),
        ("hex", -16),
        ("scale", 1.5),
        ("small", 0.001),
        ("far", -math.inf),
        ("on", True),
        ("mode", "MAX"),
        ("text", "a\né"),
    ],
)
def test_values_are_what_the_text_says(name, value):
    for got in (fields()[name], getattr(fields(), name), fields().get(name), fields().value(name)):
        assert got == value and type(got) is type(value)


def test_several_values_are_a_list():
    assert fields().all("dim") == [1, 2] and fields().all("nothing") == []
    assert [list(inner) for inner in fields().all("inner", dict)] == [["deep"], []]
    assert fields().all("inner")[0].deep.x == 1


def test_a_default_stands_for_what_is_not_given_and_says_the_kind():
    param = fields()
    assert param.get("nothing") is None and param.get("nothing", 2) == 2
    assert param.get("size", 1.0) == 3.0 and type(param.get("size", 1.0)) is float
    assert param.get("one", False) is True and param.get("one", 0) == 1
    assert param.get("mode", "AVE") == "MAX"


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("scale", int, "my_param.scale is 1.5f; use a whole number: scale: 3"),
        ("mode", float, "my_param.mode is MAX; use a number: mode: 0.5"),
        ("size", bool, "my_param.size is 3; use true or false: size: true"),
        ("size", str, 'my_param.size is 3; use a text in quotes: size: "..."'),
        ("size", dict, "my_param.size is 3; use a message: size { ... }"),
        ("bad", int, "my_param.bad is 08; use a whole number: bad: 3"),
    ],
)
def test_values_of_another_kind_are_refused(name, kind, text):
    with pytest.raises(LayerError) as caught:
        fields().value(name, kind)
    assert str(caught.value) == text


def test_a_message_is_no_number():
    with pytest.raises(LayerError, match=r"my_param.m is a message; use a whole number: m: 3"):
        fields("m { }").get("m", 1)


def test_a_field_given_twice_is_no_single_value():
    with pytest.raises(LayerError, match=r"my_param.dim\[1\] is given 2 times; give it once"):
        fields()["dim"]


def test_a_missing_field_is_said_with_the_nearest_one():
    with pytest.raises(MissingFieldError) as caught:
        fields().value("sise", int)
    assert str(caught.value) == 'my_param.sise is not given; write sise: 3 in my_param; did you mean "size"?'
    assert not hasattr(fields(), "sise") and "sise" not in fields()
    with pytest.raises(KeyError):
        fields()["sise"]
    with pytest.raises(AttributeError):
        getattr(fields(), "_sise")  # noqa: B009  (what a private name gives)


def test_names_come_once_in_order():
    param = fields()
    assert list(param)[:3] == ["size", "octal", "hex"] and len(param) == 13
    assert "dim" in dir(param) and repr(param).startswith("<OwnFields my_param: size, octal")


def test_unknown_kinds_are_a_mistake_of_the_program():
    with pytest.raises(TypeError, match="kind is int, float, bool, str or dict, not"):
        fields().value("size", list)


def test_what_nobody_asked_for_is_known():
    own = OwnFields(read_fields("a_param { size: 3 sise: 4 } other_param { x: 1 }"))
    own.a_param.get("size")
    own.a_param.get("size_", 3)
    assert list(own.unread()) == [
        ("a_param.sise", 'the layer did not read it when it was set up; did you mean "size_"?')
    ]


def test_messages_of_the_schema_are_there_too():
    param = LayerParameter(own_fields="my_param { size: 3 }")
    param.pooling_param.kernel_size = 2
    param.param.add(lr_mult=2)
    own = own_fields_of(param)
    assert list(own) == ["my_param", "pooling_param"] and own.pooling_param.get("kernel_size", 1) == 2


def test_a_text_that_is_none_is_refused():
    with pytest.raises(LayerError, match=r'own_fields is "my_param \{"; .*write the fields themselves into the layer'):
        own_fields_of(LayerParameter(own_fields="my_param {"))
