import json

import pytest

BAD = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "a" type: "ReLU" bottom: "dat" top: "a" }
layer { name: "b" type: "ReLU" bottom: "data" top: "b" prelu_param { } }
"""
READER = """layer { name: "d" type: "Data" top: "data" data_param { source: "nowhere" batch_size: 2 backend: LMDB } }
layer { name: "r" type: "ReLU" bottom: "data" top: "r" pooling_param { } }
"""


@pytest.fixture
def write(folder):
    return lambda text: (folder / "bad.prototxt").write_text(text)


def test_a_clean_file(program):
    result = program("check", "net.prototxt", "solver.prototxt")
    assert result.status == 0
    assert result.out == "0 errors and 0 warnings in 2 files\n"
    assert result.err == ""


def test_all_problems_and_the_status(caffelite, write):
    write(BAD)
    result = caffelite("check", "net.prototxt", "bad.prototxt")
    assert result.status == 1
    first, second, summary = result.out.splitlines()
    assert first.startswith("bad.prototxt:2: error: Unknown bottom blob 'dat' (layer 'a', bottom index 0)")
    assert second.startswith('bad.prototxt:3: warning: layer "b" (ReLU): prelu_param has no effect')
    assert summary == "1 error and 1 warning in 2 files"
    assert result.err == ""


def test_warnings_as_errors_and_shapes(caffelite, write):
    write(READER)
    assert caffelite("check", "bad.prototxt").status == 1
    result = caffelite("check", "bad.prototxt", "--shape", "data=2,5")
    assert result.status == 0
    assert result.out.startswith('bad.prototxt:2: warning: layer "r" (ReLU): pooling_param has no effect')
    assert caffelite("check", "bad.prototxt", "--shape", "data=2,5", "--warnings-as-errors").status == 1


def test_json(caffelite, write):
    write(BAD)
    result = caffelite("check", "--json", "bad.prototxt")
    assert result.status == 1
    first, second = json.loads(result.out)
    text = first.pop("text")
    assert first == {"severity": "error", "file": "bad.prototxt", "line": 2, "column": 0}
    assert text.startswith("Unknown bottom blob 'dat'")
    assert second["severity"] == "warning"
    assert json.loads(caffelite("check", "--json", "net.prototxt").out) == []


def test_a_net_that_a_solver_names_is_told_once(caffelite, folder):
    (folder / "net.prototxt").write_text(BAD)
    result = caffelite("check", "net.prototxt", "solver.prototxt", "net.prototxt")
    assert result.out.count("Unknown bottom") == 1


def test_says_where_it_is_when_that_takes_long(caffelite, monkeypatch):
    monkeypatch.setattr("caffelite.cli.check.SILENCE", -1.0)
    result = caffelite("check", "net.prototxt", "solver.prototxt")
    assert "caffelite: checking solver.prototxt (2 of 2)\n" in result.err


def test_refuses(caffelite):
    assert "check is missing FILE..." in caffelite("check").error
    assert '--shape has "data"' in caffelite("check", "--shape", "data", "net.prototxt").error
