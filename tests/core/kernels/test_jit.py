"""How kernels are compiled and cached: a changed helper must never run old machine code."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from numba import prange

from caffelite.core.kernels import _jit
from caffelite.core.kernels._jit import kernel, parallel_kernel


@kernel
def plus_one(x):
    return x + 1


@parallel_kernel
def add_ones(values):
    """Add 1 to each element."""
    for i in prange(values.size):
        values[i] = plus_one(values[i])


def test_a_parallel_kernel_has_two_forms_that_agree():
    shared, alone = np.zeros(1000), np.zeros(1000)
    add_ones(shared)
    add_ones.serial(alone)
    assert (shared == 1).all() and (alone == 1).all()
    assert add_ones.__doc__ == "Add 1 to each element."


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


HELPER = """
from caffelite.core.kernels._jit import kernel

@kernel
def helper(x):
    return x + {added}
"""

USER = """
from caffelite.core.kernels._jit import kernel
from caffelite.core.kernels.helper_of_test import helper

@kernel
def use(x):
    return helper(x)
"""

RUN = """
from pathlib import Path
import caffelite.core.kernels
from caffelite.core.kernels import _jit
folder = Path({folder!r})
caffelite.core.kernels.__path__.append(str(folder))
_jit.KERNEL_FOLDER = folder
(folder / "_jit.py").write_text("")
from caffelite.core.kernels.user_of_test import use
print(use(1), use.stats.cache_hits[use.signatures[0]] if use.stats.cache_hits else 0)
"""


def test_a_changed_helper_in_another_file_is_compiled_anew(tmp_path):
    (tmp_path / "user_of_test.py").write_text(USER)

    def run(added):
        (tmp_path / "helper_of_test.py").write_text(HELPER.format(added=added))
        code = RUN.format(folder=str(tmp_path))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
        return done.stdout.split()

    assert run(added=1)[0] == "2"
    assert run(added=1) == ["2", "1"]  # from the cache
    assert run(added=5) == ["6", "0"]
    assert run(added=1)[0] == "2"


def test_every_kernel_file_is_keyed_by_what_it_imports():
    names = _jit._with_imports("softmax")
    assert {"softmax", "vector_math", "_jit"} <= names
    assert _jit.source_hash("softmax") != _jit.source_hash("pooling")


def test_a_cache_folder_that_cannot_be_written_costs_a_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    _jit.cache_folder.cache_clear()
    try:
        with pytest.warns(UserWarning, match="kernels are compiled anew in every run"):
            assert _jit.cache_folder() is None
    finally:
        _jit.cache_folder.cache_clear()


def test_a_cache_folder_that_others_can_write_is_closed_to_them(tmp_path, monkeypatch):
    folder = tmp_path / "caffelite" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    _jit.cache_folder.cache_clear()
    try:
        assert _jit.cache_folder() == folder
        assert folder.stat().st_mode & 0o022 == 0
    finally:
        _jit.cache_folder.cache_clear()
