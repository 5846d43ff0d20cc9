import pytest
from google.protobuf import text_format

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt import own_fields
from caffelite.core.prototxt.own_fields import USER_TYPES, of_value, read_fields, unfolded, written
from caffelite.core.prototxt.parse import parse_net
from caffelite.core.prototxt.write import net_text

NET = """\
layer { name: "r" type: "ReLU" }
layer {
  mine_param { size: 3,  # comment
    dim: [1, 2]
    inner < mode: MAX text: 'it"s' " so" >; }
  type: "Mine" name: "m"
  mine_param {}
  word: yes
  permute_param { order: 1 flip: true }
}
"""


@pytest.fixture(autouse=True)
def mine():
    before = set(USER_TYPES)
    USER_TYPES.add("Mine")
    yield
    USER_TYPES.clear()
    USER_TYPES.update(before)


def test_fields_that_the_schema_lacks_or_cannot_read_are_kept_in_one_form():
    net, lines = parse_net(NET, "f")
    assert net.layer[1].own_fields.splitlines() == [
        "mine_param {",
        "  size: 3",
        "  dim: 1",
        "  dim: 2",
        '  inner { mode: MAX text: "it\\"s so" }',
        "}",
        "mine_param { }",
        "word: yes",
        "permute_param { order: 1 flip: true }",
    ]
    assert not net.layer[1].HasField("permute_param") and net.layer[1].name == "m"
    numbers = {
        "mine_param": 3,
        "mine_param.size": 3,
        "mine_param.dim[1]": 4,
        "mine_param.inner.text": 5,
        "mine_param[1]": 7,
        "word": 8,
        "permute_param.flip": 9,
    }
    assert {path: lines.line(f"layer[1].{path}") for path in numbers} == numbers


def test_messages_that_the_schema_can_read_stay_messages():
    net, _ = parse_net('layer { type: "Mine" permute_param { order: 1 } convolution_param { num_output: 2 } }', "f")
    assert list(net.layer[0].permute_param.order) == [1]
    assert not net.layer[0].own_fields


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('layer { type: "ReLU" mine_param { size: 3 } }', 'f:1:22: unknown field "mine_param" in layer'),
        ('layer { type: "Mine" include { fase: TEST } }', 'f:1:32: unknown field "fase" in include'),
        ('layer { type: "Mine" name: 3 mine_param {} }', "f:1:28: name is 3; write it in quotes"),
        ('layer { type: "Mine" mine_param { size 3 } }', "f:1:35: size needs a"),
        ('layer { type: "Mine" mine_param { size: } }', 'f:1:41: "}" stands where a value should'),
        (r'layer { type: "Mine" mine_param { file: "a\d" } }', r'f:1:41: file is "a\d"; \d begins no escape'),
    ],
)
def test_other_mistakes_are_still_said(text, words):
    with pytest.raises(PrototxtError) as caught:
        parse_net(text, "f")
    assert words in str(caught.value)


def test_the_text_of_a_net_with_such_fields_gives_the_net_again():
    net, _ = parse_net(NET, "f")
    text = net_text(net)
    assert "own_fields" not in text and "\n  mine_param {\n    size: 3\n" in text
    assert parse_net(text, "f")[0] == net
    plain = unfolded(text_format.MessageToString(net, as_utf8=True))
    assert "own_fields" not in plain and parse_net(plain, "f")[0] == net


def test_a_long_message_is_written_over_several_lines():
    (field,) = read_fields("m { " + "number: 12345 " * 10 + "}")
    assert written((field,)).count("\n") == 11


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "p: 3"),
        (0.5, "p: 0.5"),
        (True, "p: true"),
        ('a "b"', 'p: "a \\"b\\""'),
        ([1, 2], "p: 1\np: 2"),
        ({"size": 3, "dim": [1, 2]}, "p { size: 3 dim: 1 dim: 2 }"),
        ({}, "p { }"),
    ],
)
def test_a_programs_values_become_text(value, text):
    assert of_value("p", value) == text
    assert written(read_fields(text)) == text


def test_a_value_that_no_text_says_is_refused():
    with pytest.raises(ValueError, match="p is None; use numbers, texts, lists and dicts of them"):
        of_value("p", None)


@pytest.mark.parametrize("text", ["m {", "m", "m: }", "3: 4", "m: [1"])
def test_a_text_that_nobody_walked_over_is_refused(text):
    with pytest.raises(ValueError):
        read_fields(text)


def test_without_keeps_places():
    found = [own_fields.Carried("layer[0]", 2, 6)]
    assert own_fields.without("ab\ncd\nef", found) == "ab\n  \nef"
