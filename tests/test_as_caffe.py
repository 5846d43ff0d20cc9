import subprocess
import sys

import pytest


def run(code, folder, *command):
    """Run Python in a process of its own, in `folder`; return what it prints, errors included."""
    (folder / "script.py").write_text(code)
    done = subprocess.run(
        [sys.executable, *command, "script.py", "one", "two"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


SAME = """
import sys
import caffelite
{install}
import caffe
from caffe import Layer, TRAIN
from caffe.proto import caffe_pb2
import caffe.python_layer
import caffe.core.net
from caffe.core.blob import Blob
from caffelite.proto import caffe_pb2 as ours
print(caffe is caffelite, Layer is caffelite.Layer, caffe_pb2 is ours, TRAIN)
print(caffe.python_layer is sys.modules["caffelite.python_layer"], Blob is caffelite.Blob)
print(ours.__spec__.name, ours.__name__, sys.argv)
"""


def test_every_module_is_the_same_under_both_names(tmp_path):
    said = run(SAME.format(install="caffelite.install_as_caffe(); caffelite.install_as_caffe()"), tmp_path)
    assert said.splitlines() == [
        "True True True 0",
        "True True",
        "caffelite.proto.caffe_pb2 caffelite.proto.caffe_pb2 ['script.py', 'one', 'two']",
    ]


def test_an_unchanged_script(tmp_path):
    (tmp_path / "beside.py").write_text("import caffe; name = caffe.__name__")
    code = "import beside, sys; print(beside.name, sys.argv, __name__)"
    assert run(code, tmp_path, "-m", "caffelite.as_caffe") == "caffelite ['script.py', 'one', 'two'] __main__\n"


@pytest.mark.parametrize("name", ["caffe.nothing", "caffe.layers"])
def test_modules_that_caffelite_lacks(name, tmp_path):
    said = run(f"import caffelite; caffelite.install_as_caffe(); import {name}", tmp_path)
    assert f"ModuleNotFoundError: No module named '{name}'" in said


def test_another_caffe_is_not_replaced(tmp_path):
    (tmp_path / "caffe.py").write_text("")
    said = run("import caffe, caffelite; caffelite.install_as_caffe()", tmp_path)
    assert "another caffe, from " in said and "caffe.py, is already imported; call caffelite.install_as_caffe()" in said


REAL = """
import caffelite.as_caffe, sys
caffelite.as_caffe.install_unless_real()
print("caffe" in sys.modules)
import caffe
print(caffe.__name__)
"""


def test_a_caffe_that_is_installed_stays_but_a_mere_folder_does_not_count(tmp_path):
    (tmp_path / "caffe").mkdir()
    assert run(REAL, tmp_path) == "True\ncaffelite\n"
    (tmp_path / "caffe" / "__init__.py").write_text("")
    assert run(REAL, tmp_path) == "False\ncaffe\n"


def test_layers_of_another_caffe_are_refused_with_advice(tmp_path):
    (tmp_path / "caffe.py").write_text("class Layer:\n    def __init__(self, param): pass\n")
    (tmp_path / "mine.py").write_text("import caffe\nclass Mine(caffe.Layer): pass\n")
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "one" type: "Python" top: "one" python_param { module: "mine" layer: "Mine" } }'
    )
    said = run('import caffelite; caffelite.Net("net.prototxt", caffelite.TEST)', tmp_path)
    assert "it must be a class derived from caffe.Layer; here `caffe` is " in said
    assert "call caffelite.install_as_caffe() before anything imports that" in said


def as_caffe(*arguments):
    command = [sys.executable, "-m", "caffelite.as_caffe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [(), ("-m",)])
def test_nothing_to_run(arguments):
    done = as_caffe(*arguments)
    assert done.returncode == 1 and "usage: python -m caffelite.as_caffe script.py" in done.stderr


def test_help_and_a_script_that_is_not_there():
    done = as_caffe("--help")
    assert done.returncode == 0 and "python -m caffelite.as_caffe -m unittest discover" in done.stdout
    done = as_caffe("none.py")
    assert done.returncode == 1 and done.stderr.startswith("caffelite.as_caffe: there is no script none.py in ")


def test_a_module_has_its_own_arguments(tmp_path):
    (tmp_path / "mine.py").write_text("import sys, caffe; print(caffe.TEST, sys.argv[1:], __name__)")
    command = [sys.executable, "-m", "caffelite.as_caffe", "-m", "mine", "-x", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "1 ['-x', '1'] __main__\n"
