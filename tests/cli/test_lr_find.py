import hashlib

import pytest


def contents(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


SOLVER = """net: "net.prototxt" base_lr: 0.01 momentum: 0.9 random_seed: 3 iter_size: 2 max_iter: 40
lr_policy: "plateau" gamma: 0.5 lr_plateau { output: "lstm_loss" patience: 2 }
test_iter: 2 test_interval: 10 snapshot: 15 snapshot_prefix: "tiny" best_snapshot { output: "loss" }
"""


def test_twice_the_same_and_all_files_are_as_before(program, caffelite, folder, resumable_net):
    """In processes of their own, in a folder with a training's snapshots."""
    (folder / "net.prototxt").write_text(resumable_net)
    (folder / "solver.prototxt").write_text(SOLVER)
    assert caffelite("train", "solver.prototxt", "--iterations=20").status == 0
    before = contents(folder)
    words = ("lr_find", "solver.prototxt", "--end=1e3", "--weights=tiny_best.caffemodel")
    first, second = program(*words), program(*words)
    assert (first.status, first.err) == (0, "")
    assert first.out == second.out
    assert contents(folder) == before
    lines = first.out.splitlines()
    assert lines[0].split() == ["iteration", "rate", "loss", "smoothed"]
    assert lines[-2].startswith("It ended because ")
    assert lines[-1].startswith("Suggested base_lr: ")
    assert caffelite("lr_find", "solver.prototxt", "--end=1e3").out != first.out  # other weights


def test_rates_and_iterations_are_those_asked_for(caffelite, folder):
    before = contents(folder)
    result = caffelite("lr_find", "--solver=solver.prototxt", "--start=0.01", "--end=0.04", "--iterations=3")
    assert result.status == 0
    assert [line.split()[:2] for line in result.out.splitlines()[1:4]] == [["0", "0.01"], ["1", "0.02"], ["2", "0.04"]]
    assert contents(folder) == before


def test_a_picture(caffelite, folder):
    pytest.importorskip("matplotlib")
    result = caffelite("lr_find", "solver.prototxt", "--iterations=4", "-o", "rates.png")
    assert (result.status, result.out.splitlines()[-1]) == (0, "rates.png")
    assert (folder / "rates.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "Need a solver definition to find a learning rate for; give --solver=FILE"),
        (("none.prototxt",), "none.prototxt"),
        (("solver.prototxt", "--start=1", "--end=0.5"), "--start is 1 and --end 0.5; use rates above 0 that grow"),
        (("solver.prototxt", "--start=0"), "--start is 0 and --end 10; use rates above 0 that grow"),
        (("solver.prototxt", "--start=x"), "illegal value 'x' specified for double flag 'start'"),
        (("solver.prototxt", "--end=inf"), "illegal value 'inf' specified for double flag 'end'"),
        (("solver.prototxt", "--iterations=1"), "--iterations is 1; use 2 or more"),
        (("solver.prototxt", "--weights=none"), "--weights: File not found: none"),
        (("solver.prototxt", "-o", "rates.gif"), "rates.gif: a picture's name ends in .png, .svg or .pdf"),
        (("net.prototxt",), "net.prototxt"),
    ],
)
def test_bad_input_is_one_clear_line(caffelite, words, text):
    result = caffelite("lr_find", *words)
    assert result.status == 1
    assert text in result.error
