"""Forms of text that are seen in real files. Section 0.5 of the notes on forks lists them."""

import pytest

from caffelite.core.prototxt.parse import parse_net, read_net
from caffelite.core.prototxt.upgrade import upgrade_net


def layer_of(text):
    """The one layer of a net, and the line of its name."""
    param, lines, _ = upgrade_net(*parse_net(text, "f"))
    (layer,) = param.layer
    return layer


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('layer: { name: "a" type: "Pooling" pooling_param: { pool: MAX stride: 2 } }', id="a colon"),
        pytest.param('layer { name: "a" type: "Pooling" pooling_param { pool: MAX, stride: 2; } }', id="one line"),
        pytest.param("layer { name: 'a' type: 'Pooling' pooling_param { pool: MAX stride: 2 } }", id="single quotes"),
        pytest.param(
            'layer\n{\n  name: "a"\n  type: "Pooling"\n  pooling_param\n  {\n    pool: MAX\n    stride: 2\n  }\n}',
            id="a brace on its own line",
        ),
        pytest.param(
            'layer:\n{\n name: "a" type: "Pooling"\n pooling_param:\n {pool: MAX stride: 2}}', id="colon, brace"
        ),
        pytest.param('layer{\tname:\t"a"\ttype:"Pooling"\n\tpooling_param\t{\tpool:MAX\tstride:2\t}\t}', id="tabs"),
        pytest.param(
            'layer { # \u5377\u79ef\u5c42 caf\u00e9 \u201cx\u201d\n name: "a" type: "Pooling" # }\n'
            " pooling_param { pool: MAX stride: 2 } }",
            id="comments",
        ),
        pytest.param('layer { name: "a" type: "Pooling" pooling_param < pool: MAX stride: 2 > }', id="angles"),
        pytest.param('layer { name: "a" type: "Pool" "ing" pooling_param { pool: MAX stride: 0x2 } }', id="pieces"),
    ],
)
def test_forms_of_one_layer(text):
    layer = layer_of(text)
    assert (layer.name, layer.type, layer.pooling_param.stride) == ("a", "Pooling", 2)
    assert layer.pooling_param.HasField("pool")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_ends_of_lines(tmp_path, end):
    path = tmp_path / "net.prototxt"
    path.write_bytes(end.join(['name: "n" # caf\u00e9', "layer {", '  name: "a"', "}", ""]).encode())
    param, lines = read_net(path)
    assert (param.name, param.layer[0].name) == ("n", "a")
    assert lines.line("layer[0].name") == 3


def test_comments_in_latin_1(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_bytes(b'# caf\xe9 \xb5\nname: "n"\n')
    assert read_net(path)[0].name == "n"


def test_lists_in_brackets():
    layer = layer_of('layer { bottom: ["x", "y"] loss_weight: [1, 0.5] propagate_down: [true, false] }')
    assert list(layer.bottom) == ["x", "y"]
    assert list(layer.loss_weight) == [1, 0.5]
    assert list(layer.propagate_down) == [True, False]
    assert list(parse_net("input_shape { dim: [1, 3, 4, 5] }", "f")[0].input_shape[0].dim) == [1, 3, 4, 5]
    assert len(parse_net('layer: [{ name: "a" }, { name: "b" }]', "f")[0].layer) == 2


@pytest.mark.parametrize(("text", "values"), [("1", [True]), ("0", [False]), ("[1, 0]", [True, False]), ("t", [True])])
def test_bools_as_numbers(text, values):
    assert list(layer_of(f"layer {{ propagate_down: {text} }}").propagate_down) == values


def test_concat_dim():
    assert layer_of('layer { type: "Concat" concat_param { concat_dim: 2 } }').concat_param.concat_dim == 2
    assert layer_of("layers { type: CONCAT concat_param { concat_dim: 2 } }").concat_param.concat_dim == 2
