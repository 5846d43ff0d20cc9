"""How kernels are compiled and cached: a changed helper must never run old machine code."""

import os
import subprocess
import sys
import threading

import numba
import numpy as np
import pytest

from caffelite.core.kernels.jit import cache
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


def test_a_cache_folder_that_cannot_be_written_costs_a_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    cache.cache_folder.cache_clear()
    try:
        with pytest.warns(UserWarning, match="kernels are compiled anew in every run"):
            assert cache.cache_folder() is None
    finally:
        cache.cache_folder.cache_clear()


def test_a_cache_folder_that_others_can_write_is_closed_to_them(tmp_path, monkeypatch):
    folder = tmp_path / "caffelite" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    cache.cache_folder.cache_clear()
    try:
        assert cache.cache_folder() == folder
        assert folder.stat().st_mode & 0o022 == 0
    finally:
        cache.cache_folder.cache_clear()


def test_each_signature_has_a_file_of_its_own_that_is_used_while_the_source_is_the_same(tmp_path):
    files = cache.FileForEachKey(str(tmp_path), "f", "text 1")
    files.save(("float32",), b"1")
    files.save(("float64",), b"2")
    assert len(list(tmp_path.iterdir())) == 2
    assert (files.load(("float32",)), files.load(("float64",)), files.load(("int64",))) == (b"1", b"2", None)
    assert cache.FileForEachKey(str(tmp_path), "f", "text 2").load(("float32",)) is None
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:5])
    assert files.load(("float32",)) is None


def test_a_full_disk_costs_a_warning_and_leaves_no_file(tmp_path, monkeypatch):
    def fail(old, new):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", fail)
    with pytest.warns(UserWarning, match="cannot keep it .*No space left on device"):
        cache.FileForEachKey(str(tmp_path), "f", "text").save(("float32",), b"1")
    assert not list(tmp_path.iterdir())


def test_a_function_among_the_arguments_is_not_known_by_its_address(tmp_path):
    files = cache.FileForEachKey(str(tmp_path), "f", "text")
    assert files._path("<function g at 0x7f001>") == files._path("<function g at 0x7f002>")
