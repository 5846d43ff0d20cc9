from pathlib import Path

import pytest

from caffelite.core.prototxt.scan import scan
from caffelite.core.prototxt.tokens import Source
from caffelite.proto.caffe_pb2 import NetParameter, SolverParameter

GOLDEN = Path(__file__).parents[2] / "golden"


def table(text):
    found = scan(Source("f", text), NetParameter.DESCRIPTOR)
    assert found.mistakes == []
    return found.table


def mistakes(text):
    source = Source("f", text)
    return [source.where(offset) + words for offset, words in scan(source, NetParameter.DESCRIPTOR).mistakes]


def test_every_field_has_its_line():
    text = """name: "x"
layer {
  name: "pool1"  # { not a message
  bottom: "a" bottom: 'b'
  pooling_param <
    stride: 2;
  >
}
layer: { name: "second" }
"""
    assert table(text) == {
        "name": 1,
        "layer[0]": 2,
        "layer[0].name": 3,
        "layer[0].bottom[0]": 4,
        "layer[0].bottom[1]": 4,
        "layer[0].pooling_param": 5,
        "layer[0].pooling_param.stride": 6,
        "layer[1]": 9,
        "layer[1].name": 9,
    }


def test_entries_of_a_list_have_their_own_lines():
    assert table("layer { loss_weight: [1,\n2] loss_weight: 3 }\nlayer: [{},\n{}]") == {
        "layer[0]": 1,
        "layer[0].loss_weight[0]": 1,
        "layer[0].loss_weight[1]": 2,
        "layer[0].loss_weight[2]": 2,
        "layer[1]": 3,
        "layer[2]": 4,
    }
    assert table("layer { loss_weight: [] }") == {"layer[0]": 1}


def test_a_string_in_pieces_is_one_value():
    assert table('input: "a"\n"b" input: "c"') == {"input[0]": 1, "input[1]": 2}


def test_all_mistakes_are_found_at_once():
    assert mistakes('layer { tipe: "x" }\nlayer { num_output: 5 pooling_param { pool: MIN stride: -1 } }\nlayr {}') == [
        'f:1:9: unknown field "tipe" in layer; did you mean "type"?',
        'f:2:9: unknown field "num_output" in layer; it belongs in convolution_param, embed_param, '
        "inner_product_param or recurrent_param",
        "f:2:45: pool is MIN; use MAX, AVE or STOCHASTIC",
        "f:2:57: stride is -1; use 0 or more",
        'f:3:1: unknown field "layr" in NetParameter; did you mean "layer"?',
    ]


def test_contents_of_an_unknown_message_are_not_judged():
    assert mistakes("layer { fork_param { sizes: [1, 2] inner < x: y > } name: 5 }") == [
        'f:1:9: unknown field "fork_param" in layer; --allow-unknown-fields (in programs allow_unknown_fields=True) '
        "leaves it out",
        'f:1:59: name is 5; write it in quotes: "5"',
    ]


ESCAPED = r"write \\ for a backslash, or / between folders"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('name: "a" name: "b"', "f:1:11: name is given twice; the first is on line 1"),
        ("layer { relu_param {} relu_param {} }", "f:1:23: relu_param is given twice; the first is on line 1"),
        ('name: ["a"]', "f:1:1: name takes one value, not a list"),
        ("name {}", "f:1:1: name takes one value, not a message in braces"),
        ("state: 3", "f:1:8: state is 3, but is a message; write state { ... }"),
        (
            "input_shape: 2,3 8",
            "f:1:14: input_shape is 2, 3, 8, but is a message; write input_shape { dim: [2, 3, 8] }",
        ),
        ("input_shape: [2, 3]", "f:1:14: input_shape is 2, 3, but is a message; write input_shape { dim: [2, 3] }"),
        ('state stage: "x" }', 'f:1:1: state lacks its "{"; write state { ... }'),
        ('layer: name: "x" top: "y" }', 'f:1:1: layer lacks its "{"; write layer { ... }'),
        ("layer { pooling_param\n stride: 2 } }", 'f:1:9: pooling_param lacks its "{"; write pooling_param { ... }'),
        ("layer input_param { }", 'f:1:1: layer lacks its "{"; write layer { ... }'),
        ('layer ( name: "x" )', 'f:1:7: "(" stands where "{" should, as in layer { ... }'),
        ('layer [ name: "x" ]', 'f:1:7: "[" stands where "{" should, as in layer { ... }'),
        ("state: TRAIN", "f:1:8: state is TRAIN, but is a message; write state { ... }"),
        ("name: \u201cx\u201d", 'f:1:7: "\u201c" is a quote of word processors; write plain ones: "'),
        ("input_dim: 1 layer { loss_weight: 1,5 }", "f:1:35: loss_weight is 1,5; write loss_weight: [1, 5]"),
        ('name "a"', 'f:1:1: name needs a ":" before its value'),
        ("force_backward = true", 'f:1:16: "=" stands where ":" should, as in kernel_size: 3'),
        ("// a net", 'f:1:1: comments begin with "#"'),
        ('"name": "a"', 'f:1:1: "name" stands where the name of a field should; names have no quotes'),
        ('name: "a\n', "f:1:7: this string is not closed on its line"),
        (r'name: "C:\a\"', r"f:1:7: this string is not closed on its line; \" is a quote within it"),
        (r'name: "C:\data"', rf'f:1:7: name is "C:\data"; \d begins no escape; {ESCAPED}'),
        (r"""name: "a" '\z'""", rf"f:1:11: name is '\z'; \z begins no escape; {ESCAPED}"),
        (r'input: ["a", "\z"]', rf'f:1:14: input is "\z"; \z begins no escape; {ESCAPED}'),
        ("layer {\n name:", "f:2:7: the file ends where a value should stand"),
        ("layer {\n", 'f:1:7: "{" is never closed; add "}"'),
        ("layer < }", 'f:1:9: "}" stands where the name of a field should'),
        ("layer {} }", 'f:1:10: "}" stands where the name of a field should'),
        ("input_dim: 2,3, 8", "f:1:12: input_dim is 2,3, 8; write input_dim: [2, 3, 8]"),
        ("input_dim: 2 3", "f:1:12: input_dim is 2 3; write input_dim: [2, 3]"),
        ("layer { param { lr_mult: 0,5 } }", "f:1:26: lr_mult is 0,5; write it with a point: 0.5"),
        ("layer { loss_weight: 0,5 name: 'a' }", "f:1:22: loss_weight is 0,5; write loss_weight: [0, 5]"),
        ("layer { pooling_param { stride: 1,2 pad: 3 } }", "f:1:33: stride is 1,2; it takes one number"),
        ("layer { param { lr_mult: 0 5 } }", "f:1:26: lr_mult is 0 5; it takes one number"),
        ("input_dim: (1, 2)", 'f:1:12: "(" stands where a value should; lists are written as dim: [2, 3]'),
        ("input_dim: [1 2]", 'f:1:15: the list of input_dim needs "," or "]" here'),
        ("input_dim: [1, ]", 'f:1:16: "]" stands where a value should'),
        ("[caffe.x]: 1", 'f:1:1: "[" stands where the name of a field should'),
    ],
)
def test_one_mistake(text, expected):
    assert mistakes(text) == [expected]


def test_endless_nesting_ends():
    assert mistakes("layer {" + "x {" * 10000)[-1] == "f:1:157: more than 50 messages within each other"


@pytest.mark.parametrize("path", sorted((GOLDEN / "cli").rglob("*.prototxt")), ids=lambda path: path.name)
def test_lines_of_real_files_hold_their_fields(path):
    text = path.read_text()
    kind = SolverParameter if "solver" in path.name else NetParameter
    found = scan(Source("f", text), kind.DESCRIPTOR)
    assert found.mistakes == []
    rows = text.split("\n")
    for field_path, line in found.table.items():
        assert field_path.rpartition(".")[2].partition("[")[0] in rows[line - 1]
