import os
import subprocess
import sys

import numpy as np
import pytest

from caffelite.core.errors import SolverError, WeightsError
from caffelite.core.solver.snapshot import write_best
from caffelite.core.solver.snapshot_files import snapshots
from caffelite.core.weights.caffemodel import read_layers
from caffelite.core.weights.solverstate import read_state
from caffelite.pycaffe_solver import get_solver

FIXED = 'base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.1 snapshot_after_train: false '


def test_snapshots_are_written_when_due_and_after_training(solvers, tmp_path):
    solver = solvers.of(f'base_lr: 0.1 lr_policy: "fixed" max_iter: 5 snapshot: 2 snapshot_prefix: "{tmp_path}/new/a"')
    solver.solve()
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        f"a_iter_{n}.{kind}" for n in (2, 4, 5) for kind in ("caffemodel", "solverstate")
    }
    state = read_state(tmp_path / "new" / "a_iter_4.solverstate")
    assert (state.iter, state.learned_net) == (4, f"{tmp_path}/new/a_iter_4.caffemodel")
    assert (state.resume.solver_type, state.resume.seed) == ("SGD", solver.seed)


def test_no_second_snapshot_at_the_end(solvers, tmp_path):
    solver = solvers.of(f'base_lr: 0.1 lr_policy: "fixed" max_iter: 4 snapshot: 2 snapshot_prefix: "{tmp_path}/a"')
    solver.step(4)
    (tmp_path / "a_iter_4.caffemodel").unlink()
    solver.solve()
    assert not (tmp_path / "a_iter_4.caffemodel").exists()


def test_snapshot_diff_stores_the_last_update(solvers, tmp_path):
    solver = solvers.of(FIXED + f'snapshot_diff: true snapshot_prefix: "{tmp_path}/a"')
    solver.step(1)
    model_file, _ = solver.snapshot()
    (weight, _) = next(layer.blobs for layer in read_layers(model_file) if layer.name == "ip")
    np.testing.assert_array_equal(weight.diff, solver.net.params["ip"][0].diff.ravel())


def test_only_the_root_solver_takes_snapshots(solvers):
    with pytest.raises(SolverError, match="only the solver of rank 0"):
        solvers.of(FIXED, solver_rank=1, solver_count=2).snapshot()


@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
def test_a_disk_that_is_full_costs_no_older_snapshot(tmp_path, golden_folder, format):
    """In a process of its own, in which files can have no more than so many bytes."""
    net = golden_folder / "cli" / "net.prototxt"
    (tmp_path / "solver.prototxt").write_text(
        f'net: "{net}" base_lr: 0.1 lr_policy: "fixed" snapshot_format: {format} snapshot_prefix: "{tmp_path}/a"'
    )
    script = """
import resource, sys
from caffelite import CaffeliteError, SGDSolver
solver = SGDSolver(sys.argv[1])
solver.step(1)
solver.snapshot()
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
try:
    solver.snapshot()
except CaffeliteError as err:
    print(err)
"""
    command = [sys.executable, "-c", script, tmp_path / "solver.prototxt"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert "a_iter_1.caffemodel" in done.stdout, done.stderr
    assert "File too large; nothing was changed" in done.stdout
    suffix = ".h5" if format == "HDF5" else ""
    names = {f"a_iter_1.{kind}{suffix}" for kind in ("caffemodel", "solverstate")}
    assert {path.name for path in tmp_path.iterdir()} == {"solver.prototxt", *names}
    get_solver(tmp_path / "solver.prototxt").restore(tmp_path / f"a_iter_1.solverstate{suffix}")


@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
def test_the_best_is_replaced_whole_whatever_is_interrupted(solvers, tmp_path, format, monkeypatch):
    suffix = ".h5" if format == "HDF5" else ""
    solver = solvers.of(FIXED + f'random_seed: 1 snapshot_format: {format} snapshot_prefix: "{tmp_path}/a"')
    model, state = (tmp_path / f"a_best.{kind}{suffix}" for kind in ("caffemodel", "solverstate"))

    def write():
        return write_best(solver.param, solver.nets, solver.histories, solver._progress())

    def weights_of(path):
        other = solvers.of(FIXED)
        other.net.copy_from(str(path))
        return other.net.params["ip"][0].data.copy()

    assert write() == (str(model), str(state))
    real, done, interrupted = os.replace, [], []
    for failing in range(10):
        before = solver.net.params["ip"][0].data.copy()
        solver.step(1)
        done.clear()

        def replace(source, target, failing=failing):
            if len(done) == failing:
                raise OSError(5, "Input/output error")
            done.append(target)
            real(source, target)

        monkeypatch.setattr(os, "replace", replace)
        try:
            write()
        except WeightsError as err:
            assert "Input/output error" in str(err)
            interrupted.append(state.exists())
        else:
            break
        monkeypatch.setattr(os, "replace", real)
        written = weights_of(model)
        assert any(np.array_equal(written, whole) for whole in (before, solver.net.params["ip"][0].data))
        if state.exists():
            resumed = solvers.of(FIXED)
            resumed.restore(state, strict=True)
            np.testing.assert_array_equal(resumed.net.params["ip"][0].data, before)
        write()
    assert interrupted == [True, True, False, False]  # two files elsewhere, then two renamings
    assert {path.name for path in tmp_path.iterdir()} == {model.name, state.name}
    assert snapshots(f"{tmp_path}/a") == []  # what --snapshot auto looks at
