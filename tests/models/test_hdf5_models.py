"""models/hdf5_classification and models/logistic_regression: trained from their prototxt alone, as users do."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def command(words, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = [sys.executable, "-m", "caffelite", *words]
    return subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path):
    """A folder with nothing but models/ and solvers/."""
    for name in ("models", "solvers"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(("name", "accuracy"), [("hdf5_classification", 0.935), ("logistic_regression", 0.96)])
def test_is_trained_from_its_prototxt_alone(name, accuracy, folder):
    done = command(["train", "--solver", f"solvers/{name}.prototxt"], folder)
    assert done.returncode == 0, done.stderr
    found = [float(value) for value in re.findall(r"Test net output #0: accuracy = ([\d.]+)", done.stderr)]
    assert found[-1] >= accuracy


@pytest.mark.slow
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(folder):
    solver = (ROOT / "solvers/hdf5_classification.prototxt").read_text()
    solver = solver.replace("max_iter: 1500", "max_iter: 200 snapshot: 70").replace("test_interval: 500", "")
    (folder / "solver.prototxt").write_text(solver.replace("test_iter: 25", ""))
    weights = folder / "snapshots/hdf5_classification_iter_200.caffemodel"
    assert command(["train", "--solver", "solver.prototxt"], folder).returncode == 0
    whole = weights.read_bytes()
    weights.unlink()
    state = "snapshots/hdf5_classification_iter_70.solverstate"
    done = command(["train", "--solver", "solver.prototxt", "--snapshot", state], folder)
    assert done.returncode == 0, done.stderr
    assert weights.read_bytes() == whole


@pytest.mark.parametrize("name", ["hdf5_classification", "logistic_regression"])
def test_is_checked_and_shown_without_its_data(name, folder):
    done = command(["check", f"solvers/{name}.prototxt"], folder)
    assert (done.returncode, done.stdout) == (0, "0 errors and 0 warnings in 1 file\n")
    done = command(["summary", f"models/{name}/train_val.prototxt"], folder)
    assert done.returncode == 0 and "InnerProduct" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["models", "solvers"]
