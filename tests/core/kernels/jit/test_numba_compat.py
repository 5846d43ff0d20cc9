"""What is private in numba stands in one file, and kernels run without it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import caffelite
from caffelite.core.kernels.jit import versions

PACKAGE = Path(caffelite.__file__).parent
ROOT = Path(__file__).resolve().parents[4]


def run(code, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


def test_no_other_file_uses_what_numba_does_not_promise():
    private = re.compile(
        r"numba\.(core|np|typed|parfors)\b|_numba_|numba_parallel|\._cache = |get_compile_result|cgutils"
    )
    using = [path.name for path in PACKAGE.rglob("*.py") if private.search(path.read_text())]
    assert using == ["numba_compat.py"]


def test_the_numba_here_is_tested():
    assert versions.is_tested()


PUBLIC = """
import numba, warnings
numba.__version__ = "{version}"
warnings.simplefilter("always")
import numba.core.caching
del numba.core.caching._CacheLocator  # as if it had moved
import numpy as np
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel

@kernel
def plus_one(x):
    return x + 1

@parallel_kernel
def add_ones(values, worker, workers):
    for i in range(values.size * worker // workers, values.size * (worker + 1) // workers):
        if values[i] < 0:
            raise ValueError("negative")
        values[i] = plus_one(values[i])

values = np.zeros(1000)
add_ones(values)
add_ones.serial(values)
print(values.min(), values.max(), plus_one(1))
try:
    add_ones(np.full(1000, -1.0))
except (ValueError, RuntimeError) as err:
    print(err)
"""


@pytest.mark.parametrize("version", ["0.58.1", "0.99.0"])
def test_an_unknown_numba_is_used_the_public_way_with_one_warning(version, tmp_path):
    done = run(PUBLIC.format(version=version), NUMBA_CACHE_DIR=str(tmp_path), NUMBA_NUM_THREADS="2")
    assert done.stdout.splitlines() == ["2.0 2.0 2", "negative"], done.stderr
    assert done.stderr.count(f"numba {version} is none of those that caffelite was tested with (0.59 to 0.68)") == 1
    assert not list(tmp_path.rglob("*.nbc"))


LENET = """
import sys, numba
numba.__version__ = sys.argv[1] if len(sys.argv) > 1 else numba.__version__
import hashlib, numpy as np, caffelite
net = caffelite.Net({path!r}, caffelite.TRAIN, seed=1)
net.blobs["data"].data[...] = np.random.default_rng(1).random(net.blobs["data"].shape, np.float32)
net.forward()
net.backward()
print(hashlib.sha256(net.arena.diff.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_a_net_computes_the_same_the_public_way(tmp_path):
    text = (ROOT / "models" / "lenet" / "train_val_mnist.prototxt").read_text()
    layers = text.split("layer {")
    inputs = """
    layer { name: "d" type: "Input" top: "data" top: "label"
      input_param { shape { dim: 8 dim: 1 dim: 28 dim: 28 } shape { dim: 8 } } }
    """
    rest = [layer for layer in layers[1:] if 'type: "Data"' not in layer and "Accuracy" not in layer]
    path = tmp_path / "net.prototxt"
    path.write_text(inputs + "".join("layer {" + layer for layer in rest))
    code = LENET.format(path=str(path))
    outputs = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, *version], capture_output=True, text=True, check=True
        ).stdout
        for version in ((), ("0.99.0",))
    }
    assert len(outputs) == 1


WIDE = "from caffelite.core.kernels.ir.registers import has_wide_registers; print(has_wide_registers())"


@pytest.mark.parametrize(
    "variables",
    [{"NUMBA_ENABLE_AVX": "0"}, {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"}],
    ids=["no AVX", "AVX2"],
)
def test_tiles_are_for_what_numba_makes_code_for(variables):
    assert run(WIDE, **variables).stdout.strip() == "False"
    assert run(WIDE, NUMBA_CPU_NAME="skylake-avx512", NUMBA_CPU_FEATURES="+avx,+avx2,+avx512f").stdout.strip() == "True"


@pytest.mark.parametrize("version", ["0.99.0"])
def test_features_are_known_the_public_way_too(version):
    code = f"import numba, warnings; warnings.simplefilter('ignore'); numba.__version__ = '{version}'; " + WIDE
    assert run(code, NUMBA_ENABLE_AVX="0").stdout.strip() == "False"
    assert run(code, NUMBA_CPU_FEATURES="+avx512f").stdout.strip() == "True"
