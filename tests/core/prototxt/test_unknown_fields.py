import logging

import pytest

import caffelite
from caffelite.core.errors import PrototxtError
from caffelite.core.layer import layer_type_list
from caffelite.core.prototxt.parse import parse_net, parse_text
from caffelite.core.prototxt.unknown_fields import allowing_unknown_fields, are_allowed
from caffelite.proto.caffe_pb2 import SolverParameter

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }\n'


def refused(text):
    with pytest.raises(PrototxtError) as caught:
        parse_net(text, "f", layer_type_list())
    return str(caught.value)


@pytest.fixture(autouse=True)
def nothing_stays_allowed():
    yield
    assert not are_allowed()


@pytest.mark.parametrize(
    "value",
    [
        ": 3",
        ': "a" "b"',
        ": [1, 2, 3]",
        ": WORD",
        " { a { b: 1 } c: [ 'x' ] }",
        ": { a: 1 },",
        " < a: 2 >;",
        ": [{a: 1}, {}]",
    ],
)
def test_an_unknown_field_is_left_out_whatever_it_holds(value):
    text = f'layer {{ name: "a"\n strange{value}\n type: "ReLU" }}'
    assert refused(text).startswith('f:2:2: unknown field "strange" in layer; --allow-unknown-fields')
    with allowing_unknown_fields():
        param, lines = parse_net(text, "f", layer_type_list())
    assert (param.layer[0].name, param.layer[0].type) == ("a", "ReLU")
    assert lines.left_out == ('f:2: unknown field "strange" in layer is left out (--allow-unknown-fields)',)
    assert lines.line("layer[0].type") == 3


def test_fields_of_one_name_are_told_of_once():
    with allowing_unknown_fields():
        _, lines = parse_net("layer { zz: 1 }\nlayer { zz: 2 }\nlayer { zz: 3 pooling_param { zz: 1 } }", "f")
    assert lines.left_out == (
        'f:1: unknown field "zz" in layer is left out (--allow-unknown-fields), and 2 more',
        'f:3: unknown field "zz" in pooling_param is left out (--allow-unknown-fields)',
    )


def test_misspelt_and_misplaced_fields_are_refused_in_any_case():
    with allowing_unknown_fields():
        assert refused('layer { type: "Pooling" pooling_param { strde: 2 } kernel_size: 2 }').split("\n") == [
            'f:1:41: unknown field "strde" in pooling_param; did you mean "stride"?',
            'f:1:52: unknown field "kernel_size" in layer; it belongs in pooling_param',
        ]


def test_a_name_that_is_a_little_like_another_may_be_left_out():
    assert refused("layer { pooling_param { round_up: 2 } }").endswith(
        'did you mean "round_mode"? Else --allow-unknown-fields (in programs allow_unknown_fields=True) leaves it out'
    )


@pytest.mark.parametrize(
    ("layer", "home"),
    [
        ('layer { kernel_size: 2 type: "Pooling" }', "pooling_param"),
        ('layer { kernel_size: 2 type: "Deconvolution" }', "convolution_param"),
        ('layer { type: "LSTM" num_output: 2 }', "recurrent_param"),
        ('layer { type: "Data" mirror: true }', "transform_param"),
        ("layers { type: POOLING kernel_size: 2 }", "pooling_param"),
        ('layer { type: "ReLU" kernel_size: 2 }', "convolution_param or pooling_param"),
    ],
)
def test_a_misplaced_field_names_the_message_that_the_type_reads(layer, home):
    assert refused(layer).endswith(f"; it belongs in {home}")


@pytest.mark.parametrize(
    ("layer", "home"),
    [
        ("layer { pooling_param { lr_mult: 1 } }", "param"),
        ("layer { convolution_param { weight_filler { decay_mult: 1 } } }", "param"),
        ('layer { convolution_param { top: "c" } }', "layer"),
        ('layers { convolution_param { top: "c" } }', "layers"),
        ("layers { convolution_param { blobs_lr: 1 } }", "layers"),
    ],
)
def test_a_field_that_is_too_deep_is_refused_in_any_case(layer, home):
    with allowing_unknown_fields():
        assert refused(layer).endswith(f"; it belongs in {home}, outside of this message")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('layer { name: "a" type: "ReLU" eval_type: "x" }', "SolverParameter (SSD's)"),
        ('layer { name: "a" type: "LRN" lrn_param { sqrt_scale: true } }', "DropoutParameter (happynear's)"),
    ],
)
def test_a_forks_field_at_another_place_is_no_misspelling(text, message):
    """`eval_type` is like `type`."""
    assert f"; it belongs in {message}; --allow-unknown-fields" in refused(text)


def test_a_forks_field_is_said_to_be_one():
    assert refused("layer { pooling_param { kernel_depth: 2 } }") == (
        'f:1:25: unknown field "kernel_depth" in pooling_param: it is one of C3D\'s Caffe: windows have a depth, which '
        "is not done here; Pooling here is of images"
    )


@pytest.mark.parametrize("engine", ['"MKL2017"', "MKLDNN", "'CAFFE'", '"MKLDNN:CPU,FPGA"'])
def test_an_engine_of_a_layer_may_be_a_text_or_a_word(engine):
    param, lines = parse_net(f'layer {{ engine: {engine} name: "a" }}', "f")
    assert param.layer[0].name == "a"
    kept = engine[0] in "\"'"
    assert param.layer[0].engine == (engine[1:-1] if kept else "")
    assert lines.left_out == (
        () if kept else ("f:1: engine: MKLDNN has no effect here: caffelite's own kernels compute it, on the CPU",)
    )


@pytest.mark.parametrize("engine", ["NVCAFFE", '"CUDNN"', "MKL2017"])
def test_engines_of_messages_are_taken_whatever_their_name(engine):
    param, lines = parse_net(f"layer {{ pooling_param {{ engine: {engine} stride: 2 }} }}", "f")
    assert param.layer[0].pooling_param.stride == 2
    assert len(lines.left_out) == (engine != "MKL2017")


@pytest.mark.parametrize("engine", ["CAFFE", '"CAFFE"', "DEFAULT"])
def test_caffes_own_engine_is_not_mentioned(engine):
    text = f"layer {{ engine: {engine} eltwise_param {{ engine: {engine} }} pooling_param {{ engine: {engine} }} }}"
    assert parse_net(text, "f")[1].left_out == ()


def test_a_value_that_is_wrong_elsewhere_stays_an_error():
    assert "pool is MIN" in refused("layer { pooling_param { pool: MIN engine: STRANGE } }")


def test_a_solver_has_no_engine():
    with pytest.raises(PrototxtError, match='unknown field "engine" in SolverParameter; --allow'):
        parse_text('base_lr: 1 engine: "CAFFE"', SolverParameter(), "f")


def test_a_net_takes_the_keyword_and_warns(tmp_path, caplog):
    path = tmp_path / "net.prototxt"
    path.write_text(INPUT + "strange_thing { a: 1 }\n")
    with pytest.raises(PrototxtError, match="strange_thing"):
        caffelite.Net(str(path), caffelite.TEST)
    net = caffelite.Net(str(path), caffelite.TEST, allow_unknown_fields=True)
    assert list(net.blobs) == ["x"]
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == [f'{path}:2: unknown field "strange_thing" in NetParameter is left out (--allow-unknown-fields)']


def test_a_solver_takes_the_keyword_for_itself_and_its_net(tmp_path):
    (tmp_path / "net.prototxt").write_text(INPUT + "strange_thing { a: 1 }\n")
    path = tmp_path / "solver.prototxt"
    path.write_text('net: "net.prototxt" base_lr: 1 lr_policy: "fixed" zzz: [1, 2]')
    with pytest.raises(PrototxtError, match="zzz"):
        caffelite.get_solver(str(path))
    assert list(caffelite.get_solver(str(path), allow_unknown_fields=True).net.blobs) == ["x"]
    assert list(caffelite.SGDSolver(str(path), allow_unknown_fields=True).net.blobs) == ["x"]
