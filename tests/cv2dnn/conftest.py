"""A second judge: OpenCV 4.14, the last with a reader of Caffe nets, in an environment of its own."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

OPENCV = "opencv-python-headless==4.14.*"
TEXT = """name: "n"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 2 kernel_size: 3
  weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.5 } } }
layer { name: "relu1" type: "ReLU" bottom: "c" top: "c" }
layer { name: "slice" type: "Slice" bottom: "c" top: "s0" top: "s1" slice_param { slice_point: 1 } }
layer { name: "ip" type: "InnerProduct" bottom: "s0" top: "fc" inner_product_param { num_output: 4
  weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
layer { name: "sig" type: "Sigmoid" bottom: "s0" top: "sig" }
"""
CONVOLUTION = TEXT[: TEXT.index('layer { name: "slice"')]  # takes any height and width


@pytest.fixture(scope="session")
def opencv4(tmp_path_factory):
    """A Python that has it; OPENCV4 in the environment may name one."""
    if given := os.environ.get("OPENCV4"):
        return Path(given)
    folder = tmp_path_factory.mktemp("opencv4")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "-q", OPENCV], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"pip cannot install {OPENCV}, so it judged nothing:\n{done.stderr}", pytrace=False)
    return python


@pytest.fixture(scope="session")
def judged(opencv4):
    """A function that lets OpenCV 4.14 run the nets in a folder; see judge.py."""

    def judge(folder):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        words = [opencv4, Path(__file__).with_name("judge.py"), folder]
        done = subprocess.run(words, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("4."), done.stdout

    return judge


class Small:
    """A small net: its text, a part of it that takes any height and width, and both files."""

    text = TEXT
    convolution = CONVOLUTION

    def write(self, folder, text=TEXT):
        """Write prototxt and caffemodel; return their paths, and the net that made them."""
        prototxt, model = folder / "n.prototxt", folder / "n.caffemodel"
        prototxt.write_text(text)
        net = Net(prototxt, TEST, seed=1)
        net.save(model)
        return str(prototxt), str(model), net


@pytest.fixture(scope="session")
def small():
    return Small()
