import os
import re

import pytest

from caffelite.core.solver_log import TrainingLog, parse_lines
from caffelite.pycaffe_solver import get_solver

FIXED = 'base_lr: 0.1 lr_policy: "fixed" snapshot_after_train: false '

# What begins the lines of a solver in a log, between those of nets being made.
SOLVERS_OWN = re.compile(
    r"Iteration|    T|Solving|Learning|Snapshotting|Optimization|Test|Creating t|Solver |SGDSolver|Initializing solver"
)
TIMES = re.compile(r"\(\S+ iter/s, \S+s/")


@pytest.fixture(autouse=True)
def all_lines(caplog):
    caplog.set_level("INFO", "caffelite")


def masked(lines):
    return [TIMES.sub("(# iter/s, #s/", line).split("\n")[0].rstrip() for line in lines if SOLVERS_OWN.match(line)]


def golden_lines(path):
    lines = (line.partition("] ")[2] for line in path.read_text().splitlines() if "] " in line)
    commands = ("Use CPU", "Resuming", "Starting")
    return masked([line for line in lines if not line.startswith(commands)])[:-1]  # the last is the command's own


@pytest.mark.parametrize("log", ["train.log", "train_resume.log"])
def test_the_lines_are_caffes(golden_folder, tmp_path, monkeypatch, caplog, log):
    for name in ("net.prototxt", "solver.prototxt", "constant_iter_5.caffemodel", "constant_iter_5.solverstate"):
        (tmp_path / name).write_bytes((golden_folder / "cli" / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    solver = get_solver("solver.prototxt")
    if log == "train_resume.log":
        solver.restore("constant_iter_5.solverstate")
    solver.solve()
    assert masked(caplog.messages) == golden_lines(golden_folder / "cli" / log)
    assert os.path.exists("constant_iter_7.caffemodel")


def test_display_lines(solvers, caplog):
    solvers.of(
        FIXED + "display: 2 max_iter: 2 average_loss: 2 test_iter: 1 test_interval: 2 test_compute_loss: true"
    ).solve()
    assert masked(caplog.messages)[4:] == [
        "Solving",
        "Learning Rate Policy: fixed",
        "Iteration 0, Testing net (#0)",
        "Test loss: 2.53125",
        "    Test net output #0: loss = 2.53125 (* 1 = 2.53125 loss)",
        "Iteration 0 (# iter/s, #s/2 iters), loss = 2.53125",
        "    Train net output #0: loss = 2.53125 (* 1 = 2.53125 loss)",
        "Iteration 0, lr = 0.1",
        "Iteration 2, loss = 1.11237",
        "Iteration 2, Testing net (#0)",
        "Test loss: 0.800903",
        "    Test net output #0: loss = 0.800903 (* 1 = 0.800903 loss)",
        "Optimization Done.",
    ]


def test_the_first_display_has_no_speed(solvers, caplog):
    solvers.of(FIXED + "display: 1 max_iter: 1").step(1)
    assert any(
        re.match(r"Iteration 0 \(0 iter/s, [\d.e-]+s/1 iters\), loss = 2\.53125$", text) for text in caplog.messages
    )


def test_clipping_and_steps(solvers, caplog):
    solver = solvers.of('base_lr: 0.1 lr_policy: "multistep" gamma: 0.1 stepvalue: 1 clip_gradients: 1 display: 1')
    caplog.clear()
    solver.step(2)
    lines = [text for text in caplog.messages if not text.startswith(("    ", "Iteration 0 ", "Iteration 1 "))]
    assert lines == [
        "Iteration 0, lr = 0.1",
        "Gradient clipping: scaling down gradients (L2 norm 2.75568 > 1) by scale factor 0.362887",
        "MultiStep Status: Iteration 1, step = 1",
        "Iteration 1, lr = 0.01",
        "Gradient clipping: scaling down gradients (L2 norm 2.50568 > 1) by scale factor 0.399094",
    ]


def test_the_log_can_be_taken_away(solvers, caplog):
    solver = solvers.of(FIXED + "display: 1")
    solver.events.remove(solver.log)
    caplog.clear()
    solver.step(1)
    assert caplog.messages == []


def test_restoring_and_stopping(solvers, caplog, tmp_path):
    from caffelite.core.events import Action

    text = f"{FIXED} max_iter: 3 display: 1 snapshot_prefix: '{tmp_path}/a'"
    first = solvers.of(text)
    first.step(1)
    _, state_file = first.snapshot()
    solver = solvers.of(text)
    solver.action_source = lambda: Action.STOP if solver.iter == 3 else Action.NONE
    caplog.clear()
    solver.solve(state_file)
    assert caplog.messages[2:4] == [
        f"Restoring previous solver status from {state_file}",
        "SGDSolver: restoring history",
    ]
    assert caplog.messages[-1] == "Optimization stopped early."


def test_decisions_have_lines_that_no_parser_takes_for_caffes(solvers, caplog, tmp_path):
    """The rate is so high that the loss grows from test to test."""
    fields = FIXED.replace("fixed", "plateau").replace("0.1", "1.5") + (
        'gamma: 0.5 test_iter: 1 test_interval: 1 max_iter: 9 lr_plateau { output: "loss" patience: 1 cooldown: 9 } '
        f'early_stopping {{ output: "loss" patience: 2 }} best_snapshot {{ output: "loss" }} '
        f'snapshot_prefix: "{tmp_path}/a"'
    )
    solvers.of(fields).solve()
    ours = [line for line in caplog.messages if line.startswith(("Best", "Learning rate l", "Early"))]
    assert ours == [
        f"Best so far: loss of test net 0 is 2.53125 at iteration 0; {tmp_path}/a_best.caffemodel and "
        f"{tmp_path}/a_best.solverstate",
        "Learning rate lowered from 1.5 to 0.75 at iteration 1: loss of test net 0 was no better in 1 test "
        "(best: 2.53125 at iteration 0)",
        "Early stopping at iteration 2: loss of test net 0 was no better in 2 tests (best: 2.53125 at iteration 0)",
    ]
    assert parse_lines(ours) == TrainingLog()
    assert not any(SOLVERS_OWN.match(line) for line in ours if not line.startswith("Learning"))
    assert caplog.messages[-1] == "Optimization Done."
