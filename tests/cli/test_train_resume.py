"""`caffelite train` with --snapshot auto, --keep_snapshots and --on_nan, and what a resumed run does."""

import os
import signal
import time

import numpy as np
import pytest

from caffelite.core.weights import hdf5
from caffelite.core.weights.solverstate import read_state

TRAIN = ("train", "--solver=solver.prototxt")


def warnings_of(result):
    return [line for line in result.err.splitlines() if line.startswith("W")]


def files(folder):
    return {path.name for path in folder.iterdir()} - {"net.prototxt", "solver.prototxt"}


def names(prefix, *iterations):
    return {f"{prefix}_iter_{n}.{kind}" for n in iterations for kind in ("caffemodel", "solverstate")}


def test_auto_begins_and_then_goes_on(caffelite, solver_with, folder):
    solver_with(snapshot="2", max_iter="4")
    first = caffelite(*TRAIN, "--snapshot=auto")
    assert first.status == 0
    assert "There is no snapshot tiny_iter_N yet: training begins" in first.texts
    second = caffelite(*TRAIN, "--snapshot", "auto", "--iterations=6")
    assert second.status == 0
    assert "Resuming from tiny_iter_4.solverstate" in second.texts
    assert files(folder) == names("tiny", 2, 4, 6)


def test_auto_finds_the_snapshots_of_a_folder_that_the_first_run_made(caffelite, solver_with, folder):
    solver_with(snapshot_prefix='"made/here/"')
    assert caffelite(*TRAIN, "--snapshot=auto").status == 0
    assert files(folder / "made" / "here") == names("solver", 4)
    assert "Resuming from made/here/solver_iter_4.solverstate" in caffelite(*TRAIN, "--snapshot=auto").texts


def test_auto_takes_the_snapshot_before_a_damaged_one_and_says_so(caffelite, solver_with, folder):
    solver_with(snapshot="2", max_iter="6")
    assert caffelite(*TRAIN).status == 0
    whole = (folder / "tiny_iter_6.caffemodel").read_bytes()
    (folder / "tiny_iter_6.caffemodel").write_bytes(whole[:-1])
    (folder / "tiny_iter_4.caffemodel").write_bytes(b"")
    result = caffelite(*TRAIN, "--snapshot=auto")
    assert result.status == 0
    assert "Resuming from tiny_iter_2.solverstate" in result.texts
    damaged, empty = (line.partition("] ")[2] for line in warnings_of(result))
    assert damaged.startswith("tiny_iter_6.solverstate cannot be used: tiny_iter_6.caffemodel is not as it was written")
    assert empty.startswith("tiny_iter_4.solverstate cannot be used: tiny_iter_4.caffemodel is not as it was written")
    assert (folder / "tiny_iter_6.caffemodel").read_bytes() == whole


def test_auto_takes_the_highest_iteration_whatever_the_files_times_and_opens_no_other(
    caffelite, solver_with, folder, monkeypatch
):
    solver_with(snapshot="2", max_iter="6", snapshot_format="HDF5")
    assert caffelite(*TRAIN).status == 0
    for age, n in enumerate((6, 2, 4)):
        os.utime(f"tiny_iter_{n}.solverstate.h5", (10**9 + age, 10**9 + age))
    opened = []
    monkeypatch.setattr(hdf5, "require_safe", lambda path: opened.append(os.path.basename(path)))
    result = caffelite(*TRAIN, "--snapshot=auto")
    assert result.status == 0
    assert set(opened) == {"tiny_iter_6.solverstate.h5", "tiny_iter_6.caffemodel.h5"}
    assert "Resuming from tiny_iter_6.solverstate.h5" in result.texts
    assert [line.partition("] ")[2].partition(",")[0] for line in warnings_of(result)] == [
        "tiny_iter_4.solverstate.h5 is of a lower iteration than tiny_iter_6.solverstate.h5"
    ]


def test_auto_refuses_a_net_with_a_renamed_layer_which_a_named_snapshot_only_warns_of(caffelite, folder):
    net = (folder / "net.prototxt").read_text().replace("label", "t").replace('name: "loss"', 'name: "loss"', 1)
    more = 'layer { name: "NAME" type: "InnerProduct" bottom: "ip" top: "ip2" inner_product_param { num_output: 2 } }\n'
    net = net.replace('bottom: "ip" bottom: "t"', 'bottom: "ip2" bottom: "t"')
    first, rest = net.split('layer { name: "accuracy"')
    (folder / "net.prototxt").write_text(first + more.replace("NAME", "old") + 'layer { name: "accuracy"' + rest)
    assert caffelite(*TRAIN).status == 0
    (folder / "net.prototxt").write_text(first + more.replace("NAME", "new") + 'layer { name: "accuracy"' + rest)
    refused = caffelite(*TRAIN, "--snapshot=auto", "--iterations=6")
    assert refused.status == 1
    assert "layer new has no weights in tiny_iter_4.caffemodel" in refused.err
    assert "no snapshot can be used (tiny_iter_4.solverstate)" in refused.error
    told = caffelite(*TRAIN, "--snapshot=tiny_iter_4.solverstate", "--iterations=6")
    assert told.status == 0
    assert any("layer new got no weights from tiny_iter_4.caffemodel" in line for line in warnings_of(told))


TESTING = """net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 random_seed: 1 iter_size: 2
test_iter: 400 test_iter: 3 test_interval: 10 max_iter: 30 snapshot_prefix: "tiny" display: 10
"""


def scores(lines):
    """Return the lines of the last three tests, those after iterations 10, 20 and 30."""
    start = lines.index("Iteration 10, Testing net (#0)")
    return [line for line in lines[start:] if "Test" in line or line.startswith("Iteration")]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_snapshot_taken_during_a_test_gives_the_scores_of_an_uninterrupted_run(
    caffelite, started_program, folder, resumable_net, texts, number
):
    """The resumed run makes the test again, from the record with which it began."""
    (folder / "net.prototxt").write_text(resumable_net)
    (folder / "solver.prototxt").write_text(TESTING)
    straight = caffelite(*TRAIN)
    assert straight.status == 0
    whole = read_state(folder / "tiny_iter_30.solverstate")

    process = started_program(*TRAIN)
    for line in process.stderr:
        if line.endswith("Iteration 10, Testing net (#0)\n"):
            break
    time.sleep(0.01)
    process.send_signal(number)
    log = texts(process.communicate(timeout=60)[1])
    assert log[0].startswith("Snapshotting to" if number == signal.SIGHUP else "Test interrupted.")
    resumed = caffelite(*TRAIN, "--snapshot=tiny_iter_10.solverstate")
    assert resumed.status == 0
    assert scores(resumed.texts) == scores(straight.texts)
    again = read_state(folder / "tiny_iter_30.solverstate")
    assert again.resume.net == whole.resume.net
    for ours, theirs in zip(again.history, whole.history, strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_auto_without_any_whole_snapshot_is_an_error_not_a_new_beginning(caffelite, folder):
    (folder / "tiny_iter_4.solverstate").write_bytes(b"")
    result = caffelite(*TRAIN, "--snapshot=auto")
    assert result.status == 1
    assert "no snapshot can be used (tiny_iter_4.solverstate): mend or remove them" in result.error


def test_auto_finetunes_only_the_first_time(caffelite, solver_with, folder):
    assert caffelite(*TRAIN).status == 0
    (folder / "tiny_iter_4.caffemodel").rename(folder / "w.caffemodel")
    (folder / "tiny_iter_4.solverstate").unlink()
    words = (*TRAIN, "--weights=w.caffemodel", "--snapshot=auto", "--iterations=2")
    assert "Finetuning from w.caffemodel" in caffelite(*words).texts
    again = caffelite(*words)
    assert (again.status, "Finetuning from w.caffemodel" in again.texts) == (0, False)


@pytest.mark.parametrize("format", ["HDF5", "BINARYPROTO"])
def test_only_so_many_snapshots_are_kept(caffelite, solver_with, folder, format):
    solver_with(snapshot="1", max_iter="5", snapshot_format=format)
    (folder / "tinyer_iter_1.solverstate").write_bytes(b"")
    assert caffelite(*TRAIN, "--keep-snapshots=2").status == 0
    kept = {path.removesuffix(".h5") for path in files(folder)}
    assert kept == {"tinyer_iter_1.solverstate", *names("tiny", 4, 5)}


def test_keeping_a_negative_number_is_refused(caffelite):
    result = caffelite(*TRAIN, "--keep_snapshots=-1")
    assert (result.status, result.error) == (1, "caffelite: error: --keep_snapshots is -1; use 0 or more")


DIVERGING = {"base_lr": "1e30", "snapshot": "1", "max_iter": "20", "test_iter": None, "test_interval": None}


def diverging_net(folder):
    text = (folder / "net.prototxt").read_text().replace("SoftmaxWithLoss", "EuclideanLoss")
    (folder / "net.prototxt").write_text(text.replace("shape { dim: 4 }", "shape { dim: 4 dim: 2 }"))


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_snapshot(caffelite, solver_with, folder):
    diverging_net(folder)
    solver_with(**DIVERGING)
    result = caffelite(*TRAIN)
    assert result.status == 1
    assert "iteration 1: the loss is inf; it began with " in result.error
    assert "the last snapshot is tiny_iter_1.solverstate. Use a smaller base_lr" in result.error
    assert files(folder) == names("tiny", 1)


def test_it_can_be_ignored(caffelite, solver_with, folder):
    diverging_net(folder)
    solver_with(**DIVERGING)
    assert caffelite(*TRAIN, "--on-nan=ignore").status == 0
    assert names("tiny", 1, 20) <= files(folder)
    result = caffelite(*TRAIN, "--on-nan=later")
    assert result.status == 1
    assert "illegal value 'later' specified for string flag 'on_nan'; use stop or ignore" in result.error
