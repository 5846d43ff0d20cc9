import os
import re
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from caffelite.cli import live
from caffelite.cli.train import batch_size
from caffelite.reports.of_training import TrainingReport


def test_the_log_is_caffes(program, golden_cli, golden_lines):
    result = program("train", "--solver=solver.prototxt")
    assert (result.status, result.out) == (0, "")
    assert result.texts == golden_lines("train.log")
    assert (golden_cli / "constant_iter_7.caffemodel").exists()


def test_the_log_of_a_resumed_run_is_caffes(caffelite, golden_cli, golden_lines):
    result = caffelite("train", "--solver=solver.prototxt", "--snapshot=constant_iter_5.solverstate")
    assert (result.status, result.out) == (0, "")
    ours = [line for line in result.texts if not line.startswith("restored from a snapshot")]
    assert ours == golden_lines("train_resume.log")


def test_weights_are_finetuned(caffelite, golden_cli):
    result = caffelite("train", "--solver=solver.prototxt", "--weights=constant_iter_5.caffemodel")
    assert result.status == 0
    assert "Finetuning from constant_iter_5.caffemodel" in result.texts
    assert "    Test net output #1: loss = 0.302144 (* 1 = 0.302144 loss)" in result.texts


def test_weights_of_the_file_are_dropped_for_a_snapshot(caffelite, golden_cli):
    with open("solver.prototxt", "a") as file:
        file.write('weights: "nowhere.caffemodel"\n')
    result = caffelite("train", "--solver=solver.prototxt", "--snapshot=constant_iter_5.solverstate")
    assert result.status == 0


@pytest.mark.parametrize(("words", "last"), [((), 4), (("--iterations=2",), 2), (("--iterations", "0"), 0)])
def test_iterations_stand_in_place_of_max_iter(caffelite, folder, words, last):
    result = caffelite("train", "--solver", "solver.prototxt", *words)
    assert result.status == 0
    assert result.texts[-2:] == ["Optimization Done."] * 2
    assert (folder / f"tiny_iter_{last}.caffemodel").exists()


def test_level_and_stages_are_those_of_the_train_net(caffelite, folder, solver_with):
    solver_with(train_state='{ level: 5 stage: "of_the_file" }')
    result = caffelite("--stage=a,b", "train", "--solver=solver.prototxt", "--level=2")
    assert result.status == 0
    state = 'state {\n  phase: TRAIN\n  level: 2\n  stage: "of_the_file"\n  stage: "a"\n  stage: "b"\n}'
    assert state in result.err
    assert re.search(r"state \{\n  phase: TEST\n(  level: 0\n)?\}", result.err)


@pytest.mark.parametrize("fields", [{}, {"solver_mode": "GPU"}, {"solver_mode": "CPU"}])
@pytest.mark.parametrize("words", [(), ("-gpu", "all")])
def test_one_warning_for_a_gpu(caffelite, solver_with, fields, words):
    solver_with(**fields, max_iter="1")
    result = caffelite("train", "--solver=solver.prototxt", *words)
    assert result.status == 0
    asked = words != () or fields.get("solver_mode") == "GPU"
    warned = [line for line in result.err.splitlines() if line.startswith("W")]
    assert len(warned) == asked
    assert all("CPU" in line for line in warned)


def test_minloglevel_leaves_nothing_to_say(caffelite):
    result = caffelite("train", "--solver=solver.prototxt", "--minloglevel=1")
    assert (result.status, result.out, result.err) == (0, "", "")


def lines_until(process, wanted):
    """Read the log up to the first line that contains `wanted`."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if wanted in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def wait_for(path):
    """Wait until a file is there; its line in the log comes before it is written."""
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} was never written")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_hangup_snapshots_and_goes_on_and_interrupt_stops_and_says_how_to_resume(
    caffelite, started_program, solver_with, folder, texts, stop
):
    solver_with(max_iter="100000000", test_iter=None, test_interval=None)
    process = started_program("train", "solver.prototxt", "--level=0", env=os.environ | {"PATH": "/usr/bin:/bin"})
    lines_until(process, "Starting Optimization")
    process.send_signal(signal.SIGHUP)
    log = lines_until(process, "Snapshotting solver state to binary proto file")
    wait_for(folder / texts(log)[-1].split()[-1])
    process.send_signal(stop)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + stop
    assert "caffelite: " in err and "stopping after this iteration" in err
    rest = texts(err)
    state_file = rest[1].split()[-1]
    assert rest == [
        f"Snapshotting to binary proto file {state_file.replace('solverstate', 'caffemodel')}",
        f"Snapshotting solver state to binary proto file {state_file}",
        "Optimization stopped early.",
        "Optimization Done.",
        f"To go on: {process.args[0]} train --solver solver.prototxt --level 0 --snapshot {state_file}",
    ]
    iteration = int(re.search(r"_iter_(\d+)\.", state_file)[1])
    resumed = caffelite(*shlex.split(rest[-1])[4:], f"--iterations={iteration + 3}")
    assert resumed.status == 0
    assert (folder / f"tiny_iter_{iteration + 3}.solverstate").exists()


def test_a_second_interrupt_stops_at_once_and_leaves_no_file(started_program, solver_with, folder):
    solver_with(iter_size="100000000", test_initialization="false")  # the first iteration lasts for hours
    process = started_program("train", "--solver=solver.prototxt")
    lines_until(process, "Learning Rate Policy")
    before = set(folder.iterdir())
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines() == [
        "caffelite: stopping after this iteration; Ctrl-C again stops now",
        "caffelite: stopping now, without a snapshot",
        "caffelite: stopped by Ctrl-C",
    ]
    assert set(folder.iterdir()) == before


def test_sigterm_may_make_a_snapshot_and_go_on(started_program, solver_with, folder, texts):
    solver_with(max_iter="100000000", test_iter=None, test_interval=None)
    process = started_program("train", "--solver=solver.prototxt", "--sigterm_effect=snapshot")
    lines_until(process, "Starting Optimization")
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        log = lines_until(process, "Snapshotting solver state to binary proto file")
        wait_for(folder / texts(log)[-1].split()[-1])
    process.send_signal(signal.SIGINT)
    assert texts(process.communicate(timeout=60)[1])[-2] == "Optimization Done."
    assert process.returncode == 130


def test_signals_without_effect(started_program, solver_with):
    solver_with(max_iter="2000", display="1000")
    effects = ("--sigint_effect=none", "--sighup-effect", "none", "--sigterm_effect=none")
    process = started_program("train", "--solver=solver.prototxt", *effects)
    lines_until(process, "Starting Optimization")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    lines_until(process, "Optimization Done.")
    assert process.wait(60) == 0


def test_a_log_that_nobody_reads_costs_no_snapshot(started_program, solver_with, folder):
    solver_with(max_iter="100000000", test_iter=None, test_interval=None)
    process = started_program("train", "--solver=solver.prototxt", stdout=None)
    lines_until(process, "Learning Rate Policy")
    process.stderr.close()  # as when Ctrl-C ends `caffelite train 2>&1 | tee log`, too
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert list(folder.glob("tiny_iter_*.solverstate"))


@pytest.mark.parametrize(("shape", "size"), [((64, 1, 28, 28), 64), ((), 0)])
def test_batch_size(shape, size):
    assert batch_size(SimpleNamespace(tops=lambda index: [("data", np.empty(shape))])) == size
    assert batch_size(SimpleNamespace(tops=lambda index: [])) == 0


def test_a_solver_that_cannot_learn_is_refused_with_its_line(caffelite, solver_with):
    solver_with(lr_policy='"exp"', base_lr=None, gamma=None)
    result = caffelite("train", "--solver=solver.prototxt")
    assert result.status == 1
    assert "solver.prototxt: base_lr is missing; without it nothing is learned" in result.err
    assert "solver.prototxt: gamma is missing" in result.err
    assert not any(text.startswith("Iteration") for text in result.texts)


def test_a_report_of_the_run(caffelite, folder):
    result = caffelite("train", "solver.prototxt", "--report=run.html", "--iterations=3")
    assert result.status == 0
    assert "Wrote the report run.html" in result.texts
    page = (folder / "run.html").read_text()
    assert "trained to the end" in page and "caffelite train" in page and "--iterations 3" in page


def test_a_report_is_made_where_the_live_line_is_gone(caffelite, folder, monkeypatch):
    """It takes seconds, in which a line that stands still would tell nothing."""
    order = []

    @contextmanager
    def shown(*words):
        yield
        order.append("line gone")

    monkeypatch.setattr(live, "shown", shown)
    monkeypatch.setattr(TrainingReport, "finish", lambda report, error="": order.append("report"))
    assert caffelite("train", "solver.prototxt", "--report=run.html", "--iterations=3").status == 0
    assert order == ["line gone", "report"]


def test_a_report_of_a_run_that_failed(caffelite, folder, solver_with):
    text = (folder / "net.prototxt").read_text()
    (folder / "net.prototxt").write_text(text.replace("value: 0.5", "value: 1e38"))
    solver_with(base_lr="1e38")
    result = caffelite("train", "solver.prototxt", "--report=run.html")
    assert result.status == 1
    page = (folder / "run.html").read_text()
    assert "failed at iteration" in page and "Why it ended" in page


@pytest.mark.parametrize(("path", "words"), [("run.pdf", "ends in .html or .htm"), ("no/run.html", "no folder no")])
def test_a_report_that_cannot_be_written_is_refused_before_the_training(caffelite, folder, path, words):
    result = caffelite("train", "solver.prototxt", f"--report={path}")
    assert result.status == 1
    assert words in result.error
    assert not list(folder.glob("*.caffemodel"))
