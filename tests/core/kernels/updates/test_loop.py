import importlib
import subprocess
import sys
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest

from caffelite.core.kernels import updates
from caffelite.core.kernels.jit.compile import ParallelKernel
from caffelite.core.kernels.jit.sources import reachable_files
from caffelite.core.kernels.updates.loop import PIECE, cut, sums_of_squares
from caffelite.core.kernels.updates.sgd import Momentum, sgd_update


def test_ranges_are_cut_into_pieces_that_cover_them():
    pieces = cut([0, 2 * PIECE], [PIECE + 5, 3])
    assert pieces.tolist() == [[0, PIECE, 0], [PIECE, PIECE + 5, 0], [2 * PIECE, 2 * PIECE + 3, 1]]
    assert cut([], []).shape == (0, 3)


@pytest.mark.parametrize("run", [sgd_update, sgd_update.serial], ids=["parallel", "serial"])
@pytest.mark.parametrize("l1", [False, True])
def test_one_step(dtype, l1, run):
    counts = [2 * PIECE + 7, 40]
    offsets = [0, 2 * PIECE + 16]
    size = offsets[1] + counts[1] + 8
    rng = np.random.Generator(np.random.Philox(key=1))
    data, diff, history = (rng.standard_normal(size).astype(dtype) for _ in range(3))
    data[3] = 0
    rates, decays = np.array([0.1, 0.2], dtype), np.array([0.5, 0], dtype)
    expected = {"data": data.copy(), "diff": diff.copy(), "history": history.copy()}
    for offset, count, rate, decay in zip(offsets, counts, rates, decays, strict=True):
        part = slice(offset, offset + count)
        pull = np.sign(data[part]) if l1 else data[part]
        step = dtype(0.9) * history[part] + rate * (dtype(0.25) * diff[part] + decay * pull)
        expected["history"][part] = expected["diff"][part] = step
        expected["data"][part] = data[part] - step
    pieces = cut(offsets, counts)
    sums = np.empty(len(pieces))
    run(data, diff, (history,), pieces, sums, rates, decays, l1, dtype(0.25), Momentum(dtype(0.9)))
    squares = [np.square(data[start:stop].astype(np.float64)).sum() for start, stop, _ in pieces]
    np.testing.assert_allclose(sums, squares, rtol=1e-4)
    for name, values in (("data", data), ("diff", diff), ("history", history)):
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_infinite_weights_without_decay_stay_infinite():
    data, diff, history = np.array([np.inf], np.float32), np.ones(1, np.float32), np.zeros(1, np.float32)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    sums = np.empty(1)
    numbers = False, np.float32(1), Momentum(np.float32(0))
    sgd_update.serial(data, diff, (history,), cut([0], [1]), sums, one, zero, *numbers)
    assert data[0] == np.inf
    assert not np.isfinite(sums[0])


def test_sum_of_squares_does_not_depend_on_threads(dtype):
    values = np.random.Generator(np.random.Philox(key=2)).standard_normal(5 * PIECE + 3).astype(dtype)
    pieces = cut([0], [values.size])
    parallel, serial = np.empty(len(pieces)), np.empty(len(pieces))
    sums_of_squares(values, pieces, parallel)
    sums_of_squares.serial(values, pieces, serial)
    np.testing.assert_array_equal(parallel, serial)
    assert parallel.sum() == pytest.approx((values.astype(np.float64) ** 2).sum(), rel=1e-5)


def kernels_of_rules():
    """Return the kernel of each file of updates/ that has one."""
    modules = [importlib.import_module(f"{updates.__name__}.{found.name}") for found in iter_modules(updates.__path__)]
    found = {module: getattr(module, module.__name__.rpartition(".")[2] + "_update", None) for module in modules}
    return {module: kernel for module, kernel in found.items() if kernel is not None}


def test_each_kernel_has_a_name_of_its_own_and_is_as_old_as_its_rule():
    kernels = kernels_of_rules()
    assert len(kernels) == 6
    assert len({kernel.share._function.__qualname__ for kernel in kernels.values()}) == 6
    for module, kernel in kernels.items():
        assert isinstance(kernel, ParallelKernel)
        files = reachable_files(kernel.share._function)
        assert {Path(module.__file__), Path(updates.__path__[0]) / "loop.py"} <= files


RULE = """
import numpy as np
from caffelite.core.kernels.updates.loop import cut, update_kernel


@update_kernel
def {name}(gradient, histories, i, rate, settings):
    return rate * gradient * {factor}


def run(kernel=None):
    one = np.ones(1, np.float32)
    data, diff, sums = np.zeros(1, np.float32), one.copy(), np.zeros(1)
    number = np.float32(1)
    (kernel or {name}).serial(data, diff, (one,), cut([0], [1]), sums, one, one * 0, False, number, (number,))
    return float(data[0])
"""


@pytest.mark.slow
def test_a_changed_rule_is_compiled_anew_and_rules_are_not_mixed_up(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    command = [sys.executable, "-c", "import rule_a, rule_b; print(rule_a.run(), rule_b.run())"]
    (tmp_path / "rule_b.py").write_text(RULE.format(name="rule", factor=5))
    for factor in (2, 2, 3):
        (tmp_path / "rule_a.py").write_text(RULE.format(name="rule", factor=factor))
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
        assert done.stdout == f"-{factor}.0 -5.0\n", done.stderr
    stored = {path.name for path in (tmp_path / "cache").rglob("*.nbc")}
    # the loop and the rule, in one form each, of each source
    assert sum("rule_a.rule" in name for name in stored) == 2 * 2
    assert sum("rule_b.rule" in name for name in stored) == 2
