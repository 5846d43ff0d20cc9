import pytest

from caffelite.checking.folder import check_folder, counted_missing, prototxts
from caffelite.core.errors import UsageError

RUNS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
"""
STRANGE = RUNS + 'layer { name: "x" type: "Sorcery" bottom: "ip" top: "x" }'
PYTHON = (
    RUNS
    + """
layer { name: "p" type: "Python" bottom: "ip" top: "p" python_param { module: "nowhere_to_be_found" layer: "Mine" } }
"""
)


@pytest.fixture
def folder(tmp_path):
    files = {
        "a/runs.prototxt": RUNS,
        "a/strange.prototxt": STRANGE,
        "b/strange.pt": STRANGE + STRANGE.replace('"x"', '"y"'),
        "b/python.prototxt": PYTHON,
        "b/broken.prototxt": 'layer { name: "x"',
        "b/binary.prototxt": "\0\1\2",
        "solver.prototxt": 'net: "a/runs.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1',
        "readme.md": "# nets",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def found_in(folder):
    return {checked.path.removeprefix(f"{folder}/"): checked for checked in check_folder(prototxts(folder))}


def test_every_prototxt_below_is_checked_and_solvers_are_no_nets(folder):
    found = found_in(folder)
    assert list(found) == [
        "a/runs.prototxt",
        "a/strange.prototxt",
        "b/binary.prototxt",
        "b/broken.prototxt",
        "b/python.prototxt",
        "b/strange.pt",
        "solver.prototxt",
    ]
    assert [name for name, checked in found.items() if checked.runs and checked.is_net] == ["a/runs.prototxt"]
    assert not found["solver.prototxt"].is_net


def test_what_a_net_lacks_is_named_once(folder):
    found = found_in(folder)
    assert found["a/strange.prototxt"].missing == ("layer type Sorcery",)
    assert found["b/strange.pt"].missing == ("layer type Sorcery",)
    assert found["b/python.prototxt"].missing == ("Python layer nowhere_to_be_found.Mine",)
    assert found["a/strange.prototxt"].lines() == [
        f"fails   {folder}/a/strange.prototxt",
        "        lacks layer type Sorcery",
    ]


def test_other_faults_are_told_as_they_are(folder):
    found = found_in(folder)
    assert found["b/broken.prototxt"].missing == ()
    assert "is never closed" in found["b/broken.prototxt"].lines()[1]
    assert "binary file" in found["b/binary.prototxt"].lines()[1]


def test_what_is_missing_is_counted_by_nets(folder):
    assert counted_missing(found_in(folder).values()) == [
        ("layer type Sorcery", "2 nets"),
        ("Python layer nowhere_to_be_found.Mine", "1 net"),
    ]


def test_refuses_what_has_no_nets(tmp_path):
    with pytest.raises(UsageError, match="nowhere is no folder"):
        prototxts(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"no file in it or below ends in \.prototxt or \.pt"):
        prototxts(tmp_path)
