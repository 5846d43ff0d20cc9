from pathlib import Path

import pytest

from caffelite.checking.file import check_file
from caffelite.checking.net import Options

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("cifar10", "lenet", "siamese", "lstm", "squeezenet")
FILES = sorted([*ROOT.glob("models/*/*.prototxt"), *ROOT.glob("solvers/*.prototxt")])
DATA = 'layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 3 } } RULE }\n'


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=path.relative_to(ROOT).as_posix(),
            marks=[]
            if path.parent.name != "solvers" and any(name in str(path) for name in ("lenet", "quick"))
            else pytest.mark.slow,
        )
        for path in FILES
    ],
)
def test_what_comes_with_caffelite_is_clean(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = [problem for problem in check_file(str(path), Options()) if problem.severity != "note"]
    assert found == []
    assert list(tmp_path.iterdir()) == []  # no data set was made


def test_all_mistakes_of_the_text(problems):
    assert problems('nmae: "a"\nlayer { name: 3 }\n') == [
        '1:1: error: unknown field "nmae" in NetParameter; did you mean "name"?',
        '2:15: error: name is 3; write it in quotes: "3"',
    ]


def test_what_is_no_prototxt(problems):
    assert problems("") == [" error: the file is empty; it should describe a net"]
    assert check_file("nowhere.prototxt", Options())[0].text.startswith("no such file")


def test_phases_that_have_data(problems):
    reader = 'layer { name: "f" type: "Flatten" bottom: "x" top: "f" pooling_param { } }'
    for rule in ("include { phase: TRAIN }", "include { phase: TEST }", ""):
        (warning,) = problems(DATA.replace("RULE", rule) + reader)
        assert warning.startswith('2: warning: layer "f" (Flatten): pooling_param has no effect')
    assert problems(DATA.replace("RULE", "include { phase: TRAIN }") + reader, phase="TEST")[0].startswith(
        "2: error: Unknown bottom"
    )


def test_stages(problems):
    staged = DATA.replace("RULE", 'include { stage: "b" }').replace("dim: 2", "dim: -1")
    text = DATA.replace("RULE", "") + staged.replace('"x"', '"y"')
    assert problems(text) == []
    assert len(problems(text, stages=["b"])) == 1


def test_old_forms_are_fine_and_what_an_upgrade_loses_is_told(problems, golden_folder):
    folder = golden_folder / "cli" / "upgrade"
    conv = 'name: "c" type: CONVOLUTION convolution_param { num_output: 2 kernel_size: 1 }'
    inputs = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 4'
    assert problems(f'{inputs} layers {{ bottom: "data" top: "c" {conv} }}') == []
    found = problems((folder / "v0_data_kinds.prototxt").read_text())
    assert any("warning: Unknown parameter" in line for line in found)
