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


def test_of_a_process(tmp_path):
    code = "from caffelite.cli.program import of_this_process; print(of_this_process())"
    (tmp_path / "__main__.py").write_text(code)
    done = subprocess.run([sys.executable, tmp_path / "__main__.py", "x"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{[sys.executable, str(tmp_path / '__main__.py')]}\n"
