"""Equal bits in a process that compiles the kernels and in one that loads them from disk.

A kernel exists in optimised copies: one of its own and one in each kernel that calls it. Which of them runs depends on
what was loaded first, so nothing about rounding may be left to the optimiser.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from caffelite.core import kernels

ROOT = Path(__file__).resolve().parents[3]
KERNELS = Path(kernels.__file__).parent

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


EVERY_LAYER = """
import hashlib, sys
import numpy as np
from caffelite.testing import blob_of, run_backward, set_up
from test_every_layer import bottom_types, example

for name in bottom_types():
    layer, values = example(name)
    bottom = [blob_of(array, np.float32) for array in values]
    top = set_up(layer, bottom, len(layer.layer_param.top) or None)
    layer.forward(bottom, top)
    numbers = [blob.data.copy() for blob in top]
    if layer.has_backward:
        for number, blob in enumerate(top):
            if not blob.diff.any():  # else a loss, whose weight stands there
                blob.diff[...] = np.random.default_rng(number).normal(size=blob.shape)
        run_backward(layer, bottom, top)
        numbers += [blob.diff for blob in (*bottom, *layer.blobs)]
    print(name, len(numbers), hashlib.sha256(b"".join(array.tobytes() for array in numbers)).hexdigest())
"""

EVERY_SOLVER = """
import hashlib, sys
from google.protobuf import text_format
from caffelite.core.solver.solver import SOLVERS
from caffelite.proto.caffe_pb2 import SolverParameter
from caffelite.pycaffe_solver import get_solver

for kind in SOLVERS:
    rule = f'type: "{kind}"' + {"SGD": " momentum: 0.9", "Nesterov": " momentum: 0.9"}.get(kind, "")
    clipped = " weight_decay: 0.1 clip_gradients: 1 iter_size: 2"
    for rest in ("", clipped):
        solver = get_solver(text_format.Parse(sys.argv[1] + rule + rest, SolverParameter()))
        solver.step(4)
        numbers = [blob.data for blobs in solver.net.params.values() for blob in blobs]
        print(kind, len(numbers), hashlib.sha256(b"".join(array.tobytes() for array in numbers)).hexdigest())
"""

NET = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
    shape { dim: 8 dim: 3 dim: 14 dim: 13 } shape { dim: 8 } data_filler { type: "gaussian" std: 1 }
    data_filler { type: "constant" value: 1 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {
    num_output: 18 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "norm" }
layer { name: "scale" type: "Scale" bottom: "norm" top: "norm" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "norm" top: "norm" }
layer { name: "ip" type: "InnerProduct" bottom: "norm" top: "ip" inner_product_param {
    num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = 'base_lr: 0.01 lr_policy: "fixed" max_iter: 6 display: 0 random_seed: 1 '


def python(cache, *words, folder):
    """What a Python of its own prints, in `folder`, with the compiled kernels in the folder `cache`."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "core" / "layers")])
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_compiled_and_loaded_kernels_give_equal_bits(tmp_path):
    compiling, loading = (python(tmp_path, "-c", SCRIPT, folder=tmp_path) for _ in range(2))
    assert len(compiling.split()) == 8
    assert compiling == loading


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "at_least"),
    [
        pytest.param((EVERY_LAYER,), 50, id="layers"),
        pytest.param((EVERY_SOLVER, f"net_param {{ {NET} }} {SOLVER}"), 12, id="solvers"),
    ],
)
def test_every_layer_and_solver_gives_equal_bits(tmp_path, words, at_least):
    # in a folder of its own, since HDF5Output writes a file
    compiling, loading = (python(tmp_path, "-c", *words, folder=tmp_path).splitlines() for _ in range(2))
    assert len(compiling) >= at_least
    assert compiling == loading


@pytest.mark.slow
def test_a_resume_that_loads_what_the_run_compiled_ends_in_equal_bits(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)

    def train(cache, name, *more):
        (tmp_path / "solver.prototxt").write_text(f'net: "net.prototxt" snapshot_prefix: "{name}" {SOLVER}')
        python(tmp_path / cache, "-m", "caffelite", "train", "--solver=solver.prototxt", *more, folder=tmp_path)
        return lambda count: (tmp_path / f"{name}_iter_{count}.caffemodel").read_bytes()

    compiling = train("first", "compiling")(6)
    train("second", "halves", "--iterations=3")
    halves = train("second", "halves", "--snapshot=halves_iter_3.solverstate")(6)
    loading = train("first", "loading")(6)
    assert halves == compiling
    assert loading == compiling


def test_no_rounding_is_left_to_the_optimiser():
    """Neither numba's fastmath nor flags of LLVM's instructions; kernels add products by fma."""
    found = [
        f"{path.relative_to(KERNELS)}:{node.value.lineno}: {node.arg}"
        for path in sorted(KERNELS.rglob("*.py"))
        if path.parent.name != "jit"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg in ("fastmath", "flags")
    ]
    assert not found
