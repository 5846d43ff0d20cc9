import numpy as np
import pytest

import caffelite
from caffelite.core.errors import SolverError
from caffelite.core.solver.file import read_solver_file
from caffelite.lr_range import LrFind, without_files

NET = """
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
    shape { dim: 4 dim: 5 } shape { dim: 4 dim: 3 } data_filler { type: "gaussian" std: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3
    weight_filler { type: "gaussian" std: 3 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
"""
SOLVER = """net: "net.prototxt" random_seed: 2 max_iter: 9 lr_policy: "plateau" base_lr: 0.1 gamma: 0.5
test_iter: 1 test_interval: 3 snapshot: 2 snapshot_prefix: "new/a" lr_plateau { output: "loss" patience: 1 }
early_stopping { output: "loss" patience: 2 } best_snapshot { output: "loss" } lr_warmup { iterations: 3 }
"""


@pytest.fixture
def solver_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path / "solver.prototxt"


def test_from_a_file_nothing_is_written(solver_path):
    before = {path: path.read_bytes() for path in solver_path.parent.iterdir()}
    first, second = (caffelite.lr_find(solver_path, 1e-3, 10, 100) for _ in range(2))
    assert vars(first) == vars(second)
    assert first.suggested is not None
    assert {path: path.read_bytes() for path in solver_path.parent.iterdir()} == before


def test_from_a_message_and_a_solver(solver_path):
    from_file = caffelite.lr_find(str(solver_path), 1e-3, 10, 30)
    file = read_solver_file(solver_path)
    text = str(file.param)
    assert vars(caffelite.lr_find(file.param, 1e-3, 10, 30)) == vars(from_file)
    assert str(file.param) == text
    solver = caffelite.get_solver(solver_path)
    weights = solver.net.params["ip"][0].data.copy()
    assert vars(caffelite.lr_find(solver, 1e-3, 10, 30)) == vars(from_file)
    np.testing.assert_array_equal(solver.net.params["ip"][0].data, weights)
    solver.step(1)
    with pytest.raises(SolverError, match="rates go from 2 to 1"):
        caffelite.lr_find(solver_path, 2, 1)


def test_what_is_left_out(solver_path):
    param = without_files(read_solver_file(solver_path)).param
    assert {field.name for field, _ in param.ListFields()} == {
        *("net", "random_seed", "max_iter", "lr_policy", "base_lr", "gamma", "snapshot_prefix")
    }
    assert param.lr_policy == "fixed"


def test_the_table():
    count = 60
    losses = [abs(40 - i) + 1.0 for i in range(count)]
    found = LrFind([10.0**-i for i in range(count, 0, -1)], losses, losses, "it is over", 0.0125, "because")
    lines = str(found).splitlines()
    assert lines[0].split() == ["iteration", "rate", "loss", "smoothed"]
    assert [int(line.split()[0]) for line in lines[1:-2]] == sorted({*range(0, 60, 3), 40, 59})
    assert [line for line in lines if line.endswith("lowest")] == [
        "       40       1e-20           1           1  lowest"
    ]
    assert lines[-2:] == ["It ended because it is over.", "Suggested base_lr: 0.013: because."]
    found.suggested = found.lrs[31]
    marked = {line.split()[-1]: int(line.split()[0]) for line in str(found).splitlines()[1:-2] if line[-1].isalpha()}
    assert marked == {"lowest": 40, "suggested": 31}
    assert str(LrFind([1.0], [2.0], [2.0], "x", None, "y")).endswith("Suggested base_lr: none: y.")


def test_the_picture(solver_path):
    pytest.importorskip("matplotlib")
    figure = caffelite.lr_find(solver_path, 1e-3, 10, 30).show()
    assert figure.axes[0].get_xscale() == "log"


def test_what_is_no_number_is_not_marked_as_the_lowest():
    assert "lowest" not in str(LrFind([1e-6], [np.nan], [np.inf], "the loss is nan"))
    assert "lowest" in str(LrFind([1e-6], [2.0], [2.0], "the largest rate is reached"))
