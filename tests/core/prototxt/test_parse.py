import random
from pathlib import Path

import pytest

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.parse import OF_YOUR_OWN, parse_net, parse_text, read_net, read_solver, unknown_type
from caffelite.proto import caffe_pb2

GOLDEN = Path(__file__).parents[2] / "golden"
NET = 'name: "n"\nlayer {\n  name: "pool1"\n  type: "Pooling"\n  pooling_param { stride: 2 }\n}\n'


@pytest.fixture
def net_file(tmp_path):
    def write(data):
        path = tmp_path / "net.prototxt"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def refusal(read, *arguments):
    with pytest.raises(PrototxtError) as caught:
        read(*arguments)
    return str(caught.value)


def test_read_net(net_file):
    path = net_file(NET)
    param, lines = read_net(path)
    assert param.layer[0].pooling_param.stride == 2
    assert lines.where("layer[0].pooling_param.stride") == f"{path}:5: "


def test_read_solver(net_file):
    param, lines = read_solver(net_file('base_lr: 0.5\nnet_param {\n  layer { name: "a" }\n}'))
    assert param.base_lr == 0.5
    assert lines.under("net_param").line("layer[0].name") == 3


def test_parse_text_of_any_message():
    message = caffe_pb2.LayerParameter()
    assert parse_text('name: "a"', message, "f").line("name") == 1
    assert message.name == "a"


@pytest.mark.parametrize(
    "data",
    [
        NET.replace("\n", "\r\n").encode(),
        NET.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + NET.encode(),
        NET.encode("utf-16"),
        b"# caf\xe9 pr\xe8s\n" + NET.encode()[10:],
    ],
    ids=["CRLF", "CR", "byte-order mark", "UTF-16", "Latin-1 in a comment"],
)
def test_encodings_and_line_ends(net_file, data):
    param, lines = read_net(net_file(data))
    assert param.layer[0].name == "pool1"
    assert lines.line("layer[0].name") == 3


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_strings_are_utf8_or_latin1(net_file, encoding):
    assert read_net(net_file('name: "café"'.encode(encoding)))[0].name == "café"


def test_files_that_hold_no_net(net_file, tmp_path):
    assert refusal(read_net, tmp_path) == f"{tmp_path}: this is a directory; give the prototxt file in it"
    path = net_file(b"# nothing here\n\n")
    assert refusal(read_net, path) == f"{path}: the file is empty; it should describe a net"
    weights = GOLDEN / "cli" / "constant_iter_5.caffemodel"
    assert refusal(read_net, weights).startswith(
        f"{weights}: this looks like a caffemodel or another binary file, not a prototxt; give the text file"
    )


def test_a_missing_file_has_its_sibling_suggested(net_file, tmp_path):
    net_file(NET)
    wrong = tmp_path / "nets.prototxt"
    assert refusal(read_net, wrong) == f'{wrong}: no such file; did you mean "net.prototxt"?'
    deep = tmp_path / "no" / "net.prototxt"
    assert refusal(read_net, deep) == f"{deep}: no such file; nor is there a folder {tmp_path / 'no'}"


def test_a_solver_is_not_a_net():
    text = 'net: "n.prototxt" base_lr: 0.1 max_iter: 5'
    assert refusal(parse_net, text, "s.prototxt") == "s.prototxt: this describes a solver, not a net"
    assert refusal(parse_net, 'net: "n.prototxt"', "s") == "s: this describes a solver, not a net"
    assert 'unknown field "net" in NetParameter' in refusal(parse_net, 'net: "n" ' + NET, "s")
    assert refusal(parse_text, NET + NET[10:], caffe_pb2.SolverParameter(), "n").startswith("n: this describes a net")


def test_all_mistakes_of_a_file_come_at_once():
    text = NET.replace("stride", "strde").replace('"n"', "n") + "layer { pooling_param { pool: MIN } }"
    assert refusal(parse_net, text, "f") == (
        'f:1:7: name is n; write it in quotes: "n"\n'
        'f:5:19: unknown field "strde" in pooling_param; did you mean "stride"?\n'
        "f:7:31: pool is MIN; use MAX, AVE or STOCHASTIC"
    )


def test_a_file_of_many_mistakes_is_cut():
    lines = refusal(parse_net, "layer { bogus_field: 1 }\n" * 40, "f").split("\n")
    assert len(lines) == 31
    assert lines[-1] == "f: ... and 10 more"


def test_unknown_types_of_layers_without_rules():
    text = 'layer { type: "Poolling" }\nlayer { type: "Fork" include { phase: TEST } }\nlayer { type: "ReLU" }'
    known = ["Pooling", "ReLU"]
    assert refusal(parse_net, text, "f", known) == 'f:1:15: unknown layer type "Poolling"; did you mean "Pooling"?'
    assert refusal(parse_net, 'layer { type: "Zzz" }', "f", known) == (
        f'f:1:15: unknown layer type "Zzz" (known types: Pooling, ReLU; {OF_YOUR_OWN})'
    )
    assert len(parse_net(text, "f")[0].layer) == 3  # without known types nothing is said


@pytest.mark.parametrize(
    ("written", "right"), [("RELU", "ReLU"), ("SOFTMAX_LOSS", "SoftmaxWithLoss"), ("ReLU", "ReLU"), ("Relu", "ReLU")]
)
def test_types_without_quotes_are_written_right_at_once(written, right):
    text = f"layer {{ type: {written} }}"
    assert refusal(parse_net, text, "f", ["ReLU", "SoftmaxWithLoss"]) == (
        f'f:1:15: type is {written}; write type: "{right}"'
    )


def test_types_of_2014_are_known():
    message = refusal(parse_net, 'layer { type: "SOFTMAX_LOSS" }', "f", ["Softmax", "SoftmaxWithLoss"])
    assert message == 'f:1:15: unknown layer type "SOFTMAX_LOSS"; did you mean "SoftmaxWithLoss"?'


def test_unknown_types_inside_a_solver(net_file):
    path = net_file('net_param { layer { type: "Poolling" } }')
    with pytest.raises(PrototxtError, match="did you mean"):
        read_solver(path, ["Pooling"])


def test_required_fields():
    assert refusal(parse_net, "layer {\n clip_param { max: 1 }\n}", "f") == (
        "f:2: clip_param.min is missing; it has no default, so write a value"
    )


def test_what_only_protobuf_refuses_has_its_place_too():
    assert refusal(parse_net, '\nname: "\\xff"', "f").startswith("f:2:")


def mutated(text, chance):
    """Return the text with one piece taken out, doubled, or replaced by a sign."""
    begin = chance.randrange(len(text))
    end = min(len(text), begin + chance.randrange(1, 8))
    piece = chance.choice(["", text[begin:end] * 2, "{", "}", ":", "[", "]", '"', "-", "9", "\\", "<", ",", "#"])
    return text[:begin] + piece + text[end:]


@pytest.mark.parametrize("name", ["v1_net", "v0_net", "input_shapes_upgraded"])
def test_damaged_files_are_read_or_refused_with_a_place(name):
    text = (GOLDEN / "cli" / "upgrade" / f"{name}.prototxt").read_text()
    chance = random.Random(1)
    for _ in range(60):
        damaged = mutated(text, chance)
        try:
            parse_net(damaged, "f")
        except PrototxtError as error:
            assert str(error).startswith("f:")


def test_a_missing_or_surplus_brace_is_said_once_with_the_mistakes_in_front_of_it():
    layer = 'layer {\n  nme: "a"\n}\n'
    unknown = 'f:2:3: unknown field "nme" in layer; did you mean "name"?'
    assert (
        refusal(parse_net, layer + "layer {\n" + layer + layer, "f")
        == f'{unknown}\nf:4:7: "{{" is never closed; add "}}" before line 5'
    )
    assert (
        refusal(parse_net, layer + "}\n" + layer, "f")
        == 'f:4:1: this "}" closes nothing; the "{" of line 1 is closed on line 3'
    )
    assert refusal(parse_net, "layer {\n", "f") == 'f:1:7: "{" is never closed; add "}"'


def test_todays_types_in_the_form_of_2014_are_one_mistake():
    text = 'layers { tpe: "a" }\n' + 'layers { type: "Convolution" param { lr_mult: 1 } }\n' * 3
    assert refusal(parse_net, text, "f") == (
        'f:1:10: unknown field "tpe" in layers; did you mean "type"?\n'
        'f:2:16: type is "Convolution", but types of `layers` are words of 2014 without quotes; '
        "write layer, not layers, in all 3 of them"
    )
    assert (
        refusal(parse_net, 'layers { type: "CONVOLUTION" }', "f")
        == 'f:1:16: type is "CONVOLUTION"; write it without quotes: CONVOLUTION'
    )


def test_other_languages_are_named_with_an_example_of_what_is_wanted():
    assert refusal(parse_net, '{"name": "x"}', "f").startswith(
        'f: this is JSON, not a prototxt, whose text is like layer { name: "ip"'
    )
    solver = refusal(parse_text, "---\nbase_lr: 1", caffe_pb2.SolverParameter(), "f")
    assert solver.startswith(
        'f: this is YAML, not a prototxt, whose text is like net: "train_val.prototxt" base_lr: 0.01'
    )


@pytest.mark.parametrize("indentation", ["  ", ""])
def test_each_missing_brace_of_a_net_is_one_line_that_names_its_own(indentation):
    text = f'layer {{\n{indentation}name: "a"\n{indentation}pooling_param {{\n{indentation}stride: 2 }}\n}}\n'
    for line, name in ((1, "layer"), (3, "pooling_param")):
        lines = text.splitlines()
        lines[line - 1] = lines[line - 1].replace("{", " ")
        with pytest.raises(PrototxtError) as caught:
            parse_net("\n".join(lines * 2), "f")
        assert str(caught.value).splitlines()[0].endswith(f'{name} lacks its "{{"; write {name} {{ ... }}')
        assert len(str(caught.value).splitlines()) == 2  # one for each of the two layers
        assert str(caught.value).startswith(f"f:{line}:")


def test_numbers_with_thousands_commas():
    with pytest.raises(PrototxtError, match=r"^f:1:11: max_iter is 10,000; write 10000$"):
        parse_text("max_iter: 10,000", caffe_pb2.SolverParameter(), "f")


def test_a_layer_without_a_type_is_told_so():
    assert unknown_type("", ["ReLU", "Pooling"]) == 'type is missing; write, for instance, type: "Convolution"'


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        (
            "DENSE_CRF",
            "; it is a layer of DeepLab's Caffe, which is not here: a conditional random field over the pixels",
        ),
        ("IMAGE_SEG_DATA", "; it is a layer of DeepLab's Caffe, which is not here: images and label images from lists"),
        ("CONVOLUTION3D", "; it is a layer of C3D's Caffe, which is not here: a convolution over time"),
        ("CROP", "; it is FCN's layer, whose offset followed from the layers between: write layer for layers"),
        ("UNPOOLINGS", "; did you mean UNPOOLING?"),
        ("ROIPOOLING", "; did you mean ROI_POOLING?"),
        ("MY_OWN", '; write layer, not layers, and type: "MyOwn"'),
        (
            "LARGE_MARGIN_INNER_PRODUCT",
            "; it is a layer of happynear's Caffe, which is not here: a product with a margin",
        ),
    ],
)
def test_words_of_2014_that_are_unknown(word, hint):
    with pytest.raises(PrototxtError) as caught:
        parse_net(f"layers {{ type: {word} }}", "f", ["MyOwn", "Pooling", "ROIPooling"])
    assert str(caught.value).startswith(f"f:1:16: unknown layer type {word}{hint}")
    assert "known types" not in str(caught.value)


def test_a_message_of_an_unknown_type_comes_with_that_type():
    message = refusal(parse_net, 'layer { type: "Mine" mine_param { size: 3 } }', "f", ["Convolution"])
    assert message.endswith('\nf:1:22: unknown field "mine_param" in layer; it comes with the type Mine')
    message = refusal(parse_net, 'layer { type: "Mine" convolutoin_param { } }', "f", ["Convolution"])
    assert 'did you mean "convolution_param"?' in message


def test_words_of_2014_are_listed_once():
    with pytest.raises(PrototxtError) as caught:
        parse_net("layers { type: QQ }\nlayers { type: ZZZ }\nlayers { type: QQ }", "f")
    first, second = str(caught.value).splitlines()
    assert first.startswith("f:1:16: unknown layer type QQ (also in line 3) (known types: ABSVAL, ACCURACY, ARGMAX, ")
    assert second == "f:2:16: unknown layer type ZZZ"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('layer { type: "CPMData" transform_param { crop_size_x: 3 } }', "transform_param; it is for CPMData"),
        ("layers { type: SEG_ACCURACY segs_param { } }", "layers; it is for SEG_ACCURACY"),
        ('layer { type: "CPMData" include { phase: TRAIN } cpmdata_param { } }', "layer; it is for CPMData"),
    ],
)
def test_a_field_of_a_layer_that_only_a_fork_has_is_no_misspelling(text, said):
    message = refusal(parse_net, text, "f", ["Convolution"])
    assert f"in {said}, a layer of " in message and "'s Caffe, which is not here; --allow-unknown-fields" in message
    assert "did you mean" not in message
