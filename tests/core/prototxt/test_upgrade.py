import re
from pathlib import Path

import pytest

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.lines import Lines
from caffelite.core.prototxt.parse import parse_net, parse_text, read_net, read_solver
from caffelite.core.prototxt.upgrade import SOLVER_TYPES, load_net, upgrade_net, upgrade_solver
from caffelite.proto.caffe_pb2 import SolverParameter

FOLDER = Path(__file__).parents[2] / "golden" / "cli" / "upgrade"
NETS = ["v0_net", "v0_data_kinds", "v1_net", "input_fields", "input_shapes"]


@pytest.mark.parametrize("name", NETS)
def test_nets_become_what_caffe_made_of_them(name):
    upgraded, _, _ = load_net(FOLDER / f"{name}.prototxt")
    assert upgraded == read_net(FOLDER / f"{name}_upgraded.prototxt")[0]


@pytest.mark.parametrize("name", NETS)
def test_notes_are_what_caffe_logged(name):
    _, _, notes = load_net(FOLDER / f"{name}.prototxt")
    logged = re.findall(r"^([IE])MMDD .*? upgrade_proto\.cpp:\d+\] (.*)$", (FOLDER / f"{name}.log").read_text(), re.M)
    assert [(note.severity[0], note.text.replace(f"{FOLDER}/", "")) for note in notes] == logged


@pytest.mark.parametrize("name", NETS)
def test_an_upgraded_net_needs_no_upgrade(name):
    param, lines, notes = upgrade_net(*load_net(FOLDER / f"{name}.prototxt")[:2])
    assert param == read_net(FOLDER / f"{name}_upgraded.prototxt")[0]
    old_batch_norm = name == "input_fields"  # its condition stays true, in Caffe as well
    assert len(notes) == (2 if old_batch_norm else 0)


@pytest.mark.parametrize("name", NETS)
def test_lines_survive(name):
    rows = (FOLDER / f"{name}.prototxt").read_text().split("\n")
    param, lines, _ = load_net(FOLDER / f"{name}.prototxt")
    for index, layer in enumerate(param.layer):
        path = f"layer[{index}]"
        assert (lines.line(path) == 2) if layer.type == "Input" else (f'"{layer.name}"' in rows[lines.line(path) - 1])
        for blob_id, blob in enumerate(layer.top):
            assert f'"{blob}"' in rows[lines.line(f"{path}.top[{blob_id}]") - 1]


def test_lines_of_renamed_fields():
    text = """layers { layer { type: "data"
    meanfile: "m"
  } top: "x" }
  layers {
    layer { name: "c"
      type: "conv"
      kernelsize: 3
      blobs_lr: 1
      blobs_lr: 2 } bottom: "x" }"""
    param, lines, _ = upgrade_net(*parse_net(text, "f"))
    assert param.layer[1].param[1].lr_mult == 2
    assert lines.line("layer[0].transform_param.mean_file") == 2
    assert lines.line("layer[1].convolution_param.kernel_size") == 7
    assert lines.line("layer[1].param[1].lr_mult") == 9
    assert lines.line("layer[1].bottom[0]") == 9
    assert lines.line("layer[1].type") == 6


def test_todays_net_stays_as_it_is():
    param, lines = parse_net('layer { name: "a" type: "ReLU" }', "f")
    assert upgrade_net(param, lines) == (param, lines, [])


def test_nets_from_binary_files_have_no_lines():
    param, _ = parse_net('layers { type: RELU name: "a" }', "f")
    upgraded, _, notes = upgrade_net(param, Lines("old.caffemodel", {}))
    assert upgraded.layer[0].type == "ReLU"
    assert notes[0].text.endswith("V1LayerParameter: old.caffemodel")


@pytest.mark.parametrize("name", sorted(SOLVER_TYPES))
def test_solver_type(name):
    path = FOLDER / f"solver_{name}.prototxt"
    upgraded, lines, notes = upgrade_solver(*read_solver(path))
    assert upgraded == read_solver(FOLDER / f"solver_{name}_upgraded.prototxt")[0]
    assert "solver_type" in path.read_text().split("\n")[lines.line("type") - 1]
    assert [note.severity for note in notes] == ["INFO", "INFO"]
    assert upgrade_solver(upgraded, lines) == (upgraded, lines, [])


def test_solver_type_leaves_other_fields_alone():
    text = 'weights: "a" weights: "b" base_lr: 0.5 net_param { name: "n" }'
    with_type, expected = SolverParameter(), SolverParameter()
    lines = parse_text(f"{text} solver_type: ADAM", with_type, "f")
    parse_text(f'{text} type: "Adam"', expected, "f")
    assert upgrade_solver(with_type, lines)[0] == expected


def test_solver_type_and_type():
    solver = SolverParameter()
    lines = parse_text('type: "SGD"\nsolver_type: SGD', solver, "s.prototxt")
    with pytest.raises(PrototxtError, match=r"^s\.prototxt:2: Failed to upgrade solver: .* Remove solver_type$"):
        upgrade_solver(solver, lines)
