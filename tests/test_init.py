"""The public names, and what importing them costs."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import caffelite


def test_import_loads_neither_numba_nor_layers(tmp_path):
    code = (
        "import sys, caffelite; print([m for m in sys.modules if m.split('.')[0] in ('numba', 'cv2', 'lmdb', 'rich')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", caffelite.__all__)
def test_every_public_name_is_there_and_found_only_once(name):
    assert getattr(caffelite, name) is getattr(caffelite, name)
    assert name in dir(caffelite)


def test_the_version_is_that_of_the_installed_package():
    assert caffelite.__version__ == version("caffelite")
    assert "__version__" in dir(caffelite)


def test_the_phases_are_those_of_the_messages():
    assert (caffelite.TRAIN, caffelite.TEST) == (0, 1)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Nett'"):
        caffelite.Nett  # noqa: B018


def test_windows_is_told_what_to_do():
    code = "import sys; sys.platform = 'win32'; import caffelite"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "ImportError: caffelite runs on Linux and macOS; on Windows install and run it inside WSL\n"
    )
