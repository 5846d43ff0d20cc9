"""How kernels are compiled and cached: a changed helper must never run old machine code."""

import os
import subprocess
import sys
import threading

import numba
import numpy as np
import pytest

from caffelite.core.kernels.jit.compile import kernel, parallel_kernel


@kernel
def plus_one(x):
    return x + 1


@parallel_kernel
def add_ones(values, worker, workers):
    """Add 1 to each element."""
    for i in range(values.size * worker // workers, values.size * (worker + 1) // workers):
        values[i] = plus_one(values[i])


@parallel_kernel
def sign_up(numbers, flag, pair, worker, workers):
    """Set numbers[worker] to what tells this worker's arguments from another's."""
    numbers[worker] = 1000 * workers + 100 * pair[1] + 10 * worker + (1 if flag else 0)


@parallel_kernel
def divide(values, worker, workers):
    """Raise ValueError in the last worker if it finds a 0."""
    if worker == workers - 1 and values[0] == 0:
        raise ValueError("0")


def test_python_calls_a_kernel_as_kernels_do():
    assert plus_one(1) == 2 and plus_one(1.5) == 2.5


def test_a_parallel_kernel_has_two_forms_that_agree():
    shared, alone = np.zeros(1000), np.zeros(1000)
    add_ones(shared)
    add_ones.serial(alone)
    assert (shared == 1).all() and (alone == 1).all()
    assert add_ones.__doc__ == "Add 1 to each element."


def test_each_worker_gets_all_arguments_and_its_own_number():
    threads = numba.get_num_threads()
    numbers = np.full(threads + 1, -1)
    sign_up(
        numbers,
        True,
        (0.5, 3),
    )
    assert numbers.tolist() == [1000 * threads + 300 + 10 * worker + 1 for worker in range(threads)] + [-1]
    sign_up.serial(numbers, False, (0.5, 3))
    assert numbers[0] == 1300


def test_there_are_as_many_workers_as_numba_is_told_to_use():
    threads = numba.get_num_threads()
    numbers = np.full(threads, -1)
    numba.set_num_threads(max(1, threads - 1))
    try:
        sign_up(numbers, False, (0, 0))
    finally:
        numba.set_num_threads(threads)
    assert numbers[0] == 1000 * max(1, threads - 1)
    assert numbers[-1] == (1000 if threads == 1 else -1)


def test_an_error_in_a_worker_is_raised_after_all_have_ended():
    divide(np.ones(1))
    with pytest.raises((RuntimeError, ValueError), match="a worker of a parallel kernel failed|0"):
        divide(np.zeros(1))
    with pytest.raises(ValueError, match="0"):
        divide.serial(np.zeros(1))


def test_launches_from_several_threads_do_not_collide():
    arrays = [np.zeros(5000) for _ in range(8)]

    def work(array):
        for _ in range(50):
            add_ones(array)

    threads = [threading.Thread(target=work, args=(array,)) for array in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((array == 50).all() for array in arrays)


PARALLEL = """
from caffelite.core.kernels.jit.compile import parallel_kernel

@parallel_kernel
def number(values, worker, workers):
    values[worker] = worker + 1
"""

RUN_PARALLEL = """
import sys
import numpy as np
sys.path.insert(0, {folder!r})
from parallel_of_test import number
values = np.zeros(3, np.int64)
number(values)
hits = number.launcher.stats.cache_hits
import numba
print(*values, sum(hits.values()), numba.threading_layer())
"""


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_a_launch_is_loaded_from_the_cache(tmp_path, layer):
    (tmp_path / "parallel_of_test.py").write_text(PARALLEL)
    variables = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path),
        "NUMBA_NUM_THREADS": "2",
        "NUMBA_THREADING_LAYER": layer,
    }
    outputs = []
    for _ in range(2):
        code = RUN_PARALLEL.format(folder=str(tmp_path))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables)
        outputs.append(done.stdout.split())
    assert [output[:4] for output in outputs] == [["1", "2", "0", "0"], ["1", "2", "0", "1"]]
    if layer == "workqueue":
        assert outputs[0][4] == layer


def test_kernels_that_may_not_be_compiled_are_one_sentence(tmp_path):
    variables = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    words = [sys.executable, "-m", "caffelite", "device_query"]
    done = subprocess.run(words, capture_output=True, text=True, env=variables, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "caffelite: error: NUMBA_DISABLE_JIT is set, but caffelite's kernels "
    )
    assert "Traceback" not in done.stderr
