import pytest

from caffelite.cli.command import COMMANDS, load_commands
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, LAYERS

NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } strange { a: 1 } }
layer { name: "y" type: "ReLU" bottom: "x" top: "y" }
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    return "net.prototxt"


def test_every_command_that_reads_nets_has_the_flag():
    load_commands()
    for name in COMMANDS:
        assert (LAYERS in COMMANDS[name].flags) == (ALLOW_UNKNOWN_FIELDS in COMMANDS[name].flags), name


def test_the_error_names_the_flag_and_the_flag_lets_the_net_run(caffelite, net):
    failed = caffelite("summary", net)
    assert failed.status == 1
    assert 'unknown field "strange" in layer; --allow-unknown-fields' in failed.err
    done = caffelite("summary", "--allow-unknown-fields", net)
    assert done.status == 0
    assert 'net.prototxt:2: unknown field "strange" in layer is left out (--allow-unknown-fields)' in done.err


def test_check_makes_it_a_warning(caffelite, net):
    assert "1 error and 0 warnings" in caffelite("check", net).out
    assert (
        'net.prototxt:2: warning: unknown field "strange" in layer'
        in caffelite("check", "--allow_unknown_fields", net).out
    )


def test_check_tells_of_it_beside_mistakes(caffelite, net, tmp_path):
    (tmp_path / "net.prototxt").write_text(NET + 'layer { name: "z" type: "ReLu" bottom: "y" }')
    out = caffelite("check", "--allow_unknown_fields", net).out
    assert 'net.prototxt:2: warning: unknown field "strange"' in out and '"ReLu"; did you mean "ReLU"?' in out


def test_check_names_an_unknown_type_once(caffelite, net, tmp_path):
    lines = [f'layer {{ name: "l{i}" type: "Foo" bottom: "x" top: "l{i}" }}' for i in range(4)]
    lines += ['layer { name: "r" type: "ROIAlignX" bottom: "x" top: "r" }', 'layer { name: "m" type: "MultiBoxLoss" }']
    (tmp_path / "net.prototxt").write_text(NET.replace(" strange { a: 1 }", "") + "\n".join(lines))
    out = caffelite("check", net).out
    assert out.count('"Foo"') == 1 and "(also in lines 5, 6, 7)" in out
    assert out.count("known types: ") <= 1
    assert 'unknown layer type "MultiBoxLoss"; it is a layer of SSD\'s Caffe' in out
