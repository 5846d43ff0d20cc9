"""A layer of another package, with a kernel of its own, as the docstring of caffelite.layer shows it."""

import inspect
import subprocess
import sys
import textwrap

import caffelite.layer

RUN = """
import numpy as np
import caffelite
import plugin

net = caffelite.Net("net.prototxt", caffelite.TRAIN)
print(net.forward(data=np.arange(6).reshape(2, 3))["twice"].tolist())
print(net.backward(twice=np.ones((2, 3)))["data"].tolist())
print(type(net.layers[1]) is plugin.DoubleLayer, "Double" in caffelite.layer_type_list())
"""
NET = """
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "twice" type: "Double" bottom: "data" top: "twice" }
"""


def test_the_example_runs_in_a_users_program(tmp_path):
    _, _, after = inspect.getdoc(caffelite.layer).partition("on one thread::\n")
    example, _, _ = after.partition("\nA LayerError names")
    (tmp_path / "plugin.py").write_text(textwrap.dedent(example))
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "run.py").write_text(RUN)
    done = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "[[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]",
        "[[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]",
        "True True",
    ], done.stderr


def test_every_name_is_there():
    assert all(hasattr(caffelite.layer, name) for name in caffelite.layer.__all__)
