"""A training process killed at any moment goes on, by `--snapshot auto`, to the weights of one that was not killed."""

import random
import time

import numpy as np
import pytest

from caffelite.core.solver.snapshot_files import snapshots
from caffelite.core.weights.solverstate import read_state
from caffelite.pycaffe_solver import get_solver

SOLVER = """net: "net.prototxt"
base_lr: 0.01 lr_policy: "inv" gamma: 0.01 power: 0.75 weight_decay: 0.01 delta: 0.001
test_iter: 1 test_interval: 50 iter_size: 2 max_iter: 600 snapshot: 4
"""
MAX_ITER = 600
LAST_KILL = 400  # no process is to be killed much later than in this iteration: it must not end by itself before
KILL_SECONDS = 0.03  # how long after the snapshot that it is waited for; an iteration takes a millisecond or more

# solver's fields, how often it is killed, flags
RUNS = {
    "SGD": ("momentum: 0.9 random_seed: 1", 4, ()),
    "Nesterov": ("momentum: 0.9", 4, ("--keep_snapshots=2",)),  # without a seed: that of the first process goes on
    "AdaGrad": ("random_seed: 3 clip_gradients: 2", 3, ("--keep_snapshots=1",)),
    "RMSProp": ("rms_decay: 0.9", 3, ()),
    "AdaDelta": ("momentum: 0.9 random_seed: 5", 3, ("--keep_snapshots=3",)),
    "Adam": ("momentum: 0.9", 3, ()),
}


def wait_for_iteration(process, folder, iteration):
    """Wait until there is a snapshot of this iteration or a later one, or the process has ended."""
    while process.poll() is None:
        names = [path.stem for path in folder.glob("killed_iter_*.solverstate")]
        if max((int(name.rpartition("_")[2]) for name in names), default=-1) >= iteration:
            return
        time.sleep(0.002)


@pytest.mark.parametrize(
    "more", [pytest.param(0, marks=pytest.mark.slow), pytest.param(14, marks=pytest.mark.soak)], ids=["20", "104"]
)
@pytest.mark.parametrize("kind", RUNS)
def test_killed_runs_end_where_an_uninterrupted_one_does(started_program, caffelite, folder, resumable_net, kind, more):
    fields, kills, flags = RUNS[kind]
    kills += more
    rng = random.Random(f"{kind} {more}" if more else kind)
    (folder / "net.prototxt").write_text(resumable_net)
    solver_text = f'{SOLVER} {fields} type: "{kind}"'
    (folder / "solver.prototxt").write_text(f'{solver_text} snapshot_prefix: "killed"')
    log, command = folder / "log", ("train", "--solver=solver.prototxt", "--snapshot=auto", *flags)
    for iteration in sorted(rng.sample(range(1, LAST_KILL), kills)):
        with open(log, "w") as stderr:
            process = started_program(*command, stderr=stderr)
            wait_for_iteration(process, folder, iteration)
            time.sleep(rng.random() * KILL_SECONDS)
            process.kill()
        assert process.wait() != 0, f"the run was over before it was killed after iteration {iteration}"
        check_newest(folder)
    with open(log, "w") as stderr:
        assert started_program(*command, stderr=stderr).wait(300) == 0, log.read_text()
    assert "cannot be used" not in log.read_text()
    assert not list(folder.glob(".*.tmp"))
    compare_with_uninterrupted(caffelite, folder, solver_text)


def check_newest(folder):
    """The newest snapshot is whole, however the process ended."""
    found = snapshots("killed")
    if found:
        solver = get_solver(folder / "solver.prototxt")
        solver.restore(found[0].state_file, strict=True)
        solver.close()


def compare_with_uninterrupted(caffelite, folder, solver_text):
    killed = read_state(folder / f"killed_iter_{MAX_ITER}.solverstate")
    if "random_seed" not in solver_text:
        solver_text += f" random_seed: {killed.resume.seed}"
    (folder / "solver.prototxt").write_text(f'{solver_text} snapshot_prefix: "whole"')
    assert caffelite("train", "--solver=solver.prototxt").status == 0
    whole = read_state(folder / f"whole_iter_{MAX_ITER}.solverstate")
    assert whole.resume.net == killed.resume.net
    for ours, theirs in zip(killed.history, whole.history, strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)
    models = [folder / f"{name}_iter_{MAX_ITER}.caffemodel" for name in ("killed", "whole")]
    assert models[0].read_bytes() == models[1].read_bytes()
