import os
import subprocess
import sys
from pathlib import Path

import pytest

from caffelite.working_directory import leave_out, module_of_command_line

ROOT = Path(__file__).resolve().parent.parent
PLANTED = "open('ran', 'a').write(__name__ + ' ')\nraise SystemExit('planted code ran')\n"
# Of the library, of packages that caffelite or numba need, and of some that they do without.
NAMES = ("yaml", "typing", "logging", "numpy", "numba", "google", "lmdb", "cv2", "h5py", "scipy", "caffe", "mylayer")
NET = """layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 4 } } }
layer { name: "mine" type: "Python" bottom: "data" top: "y" python_param { module: "mylayer" layer: "Mine" } }
"""
PLAIN = """layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 4 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
"""
LAYER = """import caffe
class Mine(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(1)
    def forward(self, bottom, top): print("mine")
    def backward(self, top, propagate_down, bottom): pass
"""


@pytest.fixture
def strangers_folder(tmp_path):
    """A folder with a net and modules that say so if they are imported."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(PLANTED)
    (tmp_path / "net.prototxt").write_text(PLAIN)
    return tmp_path


def python(folder, *words, **variables):
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, env={**os.environ, **variables}
    )


TIME = ("time", "--model=net.prototxt", "--iterations=1")


@pytest.mark.parametrize("options", [["-m", "caffelite"], ["-mcaffelite"], ["-W", "ignore", "-umcaffelite"]])
def test_nothing_is_imported_from_a_strangers_folder(strangers_folder, options):
    done = python(strangers_folder, *options, *TIME, "--no_python_layers")
    assert done.returncode == 0, done.stderr
    assert "Average Forward pass" in done.stderr
    assert not (strangers_folder / "ran").exists()


def test_a_script_elsewhere_imports_nothing_from_it_either(strangers_folder, tmp_path_factory):
    script = tmp_path_factory.mktemp("mine") / "script.py"
    (script.parent / "beside.py").write_text("name = 'beside'")
    script.write_text("import beside, caffe, sys; caffe.Net('net.prototxt', caffe.TEST); print(beside.name, sys.argv)")
    done = python(strangers_folder, "-m", "caffelite.as_caffe", str(script), "-m")
    assert done.stdout == f"beside ['{script}', '-m']\n", done.stderr
    assert not (strangers_folder / "ran").exists()


def test_python_layers_are_found_there_if_they_are_allowed(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "mylayer.py").write_text(LAYER)
    done = python(tmp_path, "-m", "caffelite", *TIME)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mine\n")


def test_nothing_else_is_left_out_where_python_has_left_it_out(tmp_path):
    (tmp_path / "script.py").write_text("import sys; print(sys.path)")
    command = ("-m", "caffelite.as_caffe", "script.py")
    plain, safe = (python(tmp_path, *command, PYTHONSAFEPATH=value).stdout for value in ("", "1"))
    assert plain == safe != ""


def test_the_working_directory_stays_for_scripts_and_where_the_package_is(tmp_path):
    show = "import sys, caffelite; print(sys.path[0])"
    (tmp_path / "other.py").write_text(show)
    assert python(tmp_path, "-m", "other", "-m", "caffelite").stdout == f"{tmp_path}\n"
    assert python(tmp_path, "-c", show, "-m", "caffelite").stdout == "\n"
    assert python(ROOT, "-m", "caffelite", "--version").returncode == 0


@pytest.mark.parametrize(
    ("argv", "orig_argv", "module"),
    [
        (["-m", "train"], ["python", "-m", "caffelite", "train"], "caffelite"),
        (["-m"], ["python", "-Imcaffelite.as_caffe"], "caffelite.as_caffe"),
        (["script.py", "-m"], ["python", "script.py", "-m"], None),
        (["-m"], ["-m"], None),
        ([], ["python"], None),
    ],
)
def test_module_of_command_line(argv, orig_argv, module):
    assert module_of_command_line(argv, orig_argv) == module


@pytest.mark.parametrize(
    ("package", "module", "left"),
    [
        ("/lib/caffelite", "caffelite", ["/lib"]),
        ("/lib/caffelite", "caffelite.as_caffe", ["/lib"]),
        ("/lib/caffelite", "caffelite2", ["/models", "/lib"]),
        ("/lib/caffelite", None, ["/models", "/lib"]),
        ("/models/caffelite", "caffelite", ["/models", "/lib"]),
    ],
)
def test_leave_out(package, module, left):
    path = ["/models", "/lib"]
    leave_out(path, package, module)
    assert path == left
