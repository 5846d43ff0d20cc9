import os
import shlex
import subprocess
import sys

import pytest

from caffelite.cli.program import words_typed


@pytest.fixture
def bin_folder(tmp_path, monkeypatch):
    """A folder on the PATH with a program of that name."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "caffelite").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "caffelite").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "bin"


def test_a_name_on_the_path_is_given_back_as_the_name(bin_folder):
    assert words_typed([str(bin_folder / "caffelite"), "train"], []) == ["caffelite"]


@pytest.mark.parametrize("program", [".venv/bin/caffelite", "/opt/other/caffelite", "./my caffelite"])
def test_a_path_is_given_back_as_it_is(bin_folder, program):
    assert words_typed([program, "train"], [sys.executable, program, "train"]) == [program]


@pytest.mark.parametrize("typed", ["python3 -m caffelite", "python -X dev -mcaffelite"])
def test_a_module_is_given_back_with_its_python(bin_folder, typed):
    argv = ["/site-packages/caffelite/__main__.py", "train", "--solver=a b"]
    assert words_typed(argv, [*shlex.split(typed), *argv[1:]]) == shlex.split(typed)


def test_what_python_was_given_is_given_back_with_it(tmp_path):
    argv = ["-c", "train", "s.prototxt"]
    original = ["python3", "-c", "import caffelite.cli; caffelite.cli.main()", *argv[1:]]
    assert words_typed(argv, original) == original[:3]
    assert words_typed([str(tmp_path), "train"], ["python", str(tmp_path), "train"]) == ["python", str(tmp_path)]


@pytest.mark.parametrize("threads", ["0", "-1", "four", "", "2.0"])
def test_a_number_of_threads_that_is_none(caffelite, folder, monkeypatch, threads):
    monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
    done = caffelite("train", "solver.prototxt")
    assert (done.status, done.error) == (
        1,
        f'caffelite: error: NUMBA_NUM_THREADS is "{threads}"; write how many threads to use, 1 or more, or unset it',
    )


@pytest.mark.parametrize("words", [["train", "s.prototxt"], ["dataset", "digits"], ["test", "n", "--weights", "w"]])
def test_a_working_directory_that_was_deleted(caffelite, tmp_path, monkeypatch, words):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    done = caffelite(*words)
    monkeypatch.undo()
    assert done.status == 1
    assert done.err.endswith("caffelite: the working directory was deleted; go to another one\n")


def test_of_a_process(tmp_path):
    code = "from caffelite.cli.program import of_this_process; print(of_this_process())"
    (tmp_path / "__main__.py").write_text(code)
    done = subprocess.run([sys.executable, tmp_path / "__main__.py", "x"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{[sys.executable, str(tmp_path / '__main__.py')]}\n"
