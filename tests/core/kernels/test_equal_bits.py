"""Kernels that add numbers up give equal bits in a process that compiles them and in one that loads them from disk."""

import os
import subprocess
import sys

SCRIPT = """
import hashlib
import numpy as np
from caffelite.core.kernels.normalization import Divisor, Statistics, normalize, normalize_backward
from caffelite.core.kernels.pooling import Window, ave_pool_forward
from caffelite.core.kernels.softmax import softmax_forward
from caffelite.core.kernels.updates.loop import cut, sums_of_squares

x = np.random.default_rng(1).normal(3, 2, (4, 3, 5000)).astype(np.float32)
top, diff, statistics = np.empty_like(x), np.empty_like(x), Statistics(*np.empty((3, 3), np.float32))
normalize(x, Divisor(0.1, 0.0, True), x, top, statistics)
normalize_backward(x, statistics, np.ones(3, np.float32), top, diff)
prob, mean = np.empty((60, 1000, 1), np.float32), np.empty((4, 3, 1, 1), np.float32)
softmax_forward(x.reshape(60, 1000, 1), prob)
ave_pool_forward(x.reshape(4, 3, 50, 100), Window(50, 100, 1, 1, 0, 0), mean)
pieces = cut([0], [x.size])
sums = np.empty(len(pieces), np.float32)
sums_of_squares.serial(x.reshape(-1), pieces, sums)
for values in (top, diff, *statistics, prob, mean, sums):
    print(hashlib.sha256(values.tobytes()).hexdigest())
"""


def test_compiled_and_loaded_kernels_give_equal_bits(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    compiling, loading = (
        subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert len(compiling.stdout.split()) == 8
    assert compiling.stdout == loading.stdout
