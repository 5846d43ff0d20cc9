"""Training allocates nothing that grows."""

import subprocess
import sys
from pathlib import Path

import pytest

from caffelite.datasets import make

MODELS = Path(__file__).parent.parent / "models"

SOLVER = """
net: "{models}/lenet/train_val_digits.prototxt"
test_iter: 6 test_interval: 500 base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed"
display: 100 max_iter: 10000 snapshot_after_train: false random_seed: 1
"""

TRAIN = """
import os
import caffelite

def resident():  # bytes
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

solver = caffelite.get_solver("solver.prototxt")
solver.step(100)
early = resident()
solver.step(9900)
print(solver.iter, resident() - early)
"""


@pytest.mark.slow
def test_10000_iterations_of_lenet_take_no_more_memory_than_100(tmp_path):
    make("digits", tmp_path / "data")
    (tmp_path / "solver.prototxt").write_text(SOLVER.format(models=MODELS))
    done = subprocess.run([sys.executable, "-c", TRAIN], cwd=tmp_path, capture_output=True, text=True, check=True)
    iterations, growth = map(int, done.stdout.split())
    assert iterations == 10000
    assert growth < 2**20
