"""Several programs at once in one folder, each started as a user starts it."""

import os
import shutil
import time
from pathlib import Path

import pytest

from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.solver.snapshot_files import snapshots

ROOT = Path(__file__).resolve().parent.parent.parent
DATABASES = ["digits_test_lmdb", "digits_train_lmdb"]


def wait(processes):
    for process in processes:
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        assert "Traceback" not in err


def test_four_make_one_data_set(started_program, folder):
    wait([started_program("dataset", "digits") for _ in range(4)])
    assert sorted(os.listdir("data")) == DATABASES


@pytest.mark.slow
def test_four_train_by_the_readmes_first_command(started_program, folder):
    for name in ("models", "solvers"):
        shutil.copytree(ROOT / name, folder / name)
    command = ("train", "--solver", "solvers/lenet_digits.prototxt", "--iterations=40")
    wait([started_program(*command) for _ in range(4)])
    assert sorted(os.listdir("data")) == DATABASES
    assert {path.suffix for path in Path("snapshots").iterdir()} == {".caffemodel", ".solverstate"}
    assert snapshots("snapshots/lenet_digits")[0].state_file.endswith("_iter_40.solverstate")


def test_what_killed_makers_left_is_removed(started_program, folder):
    for _ in range(3):
        shutil.rmtree("data", ignore_errors=True)
        process = started_program("dataset", "digits")
        while not (left := list(folder.glob("data/.digits_*"))) and process.poll() is None:
            time.sleep(0.0001)
        process.kill()
        process.communicate()
        if left:
            break
    assert any(path.exists() for path in left)
    wait([started_program("dataset", "digits")])
    assert sorted(os.listdir("data")) == DATABASES
    assert LmdbReader(Path("data/digits_train_lmdb")).entries == 1437
