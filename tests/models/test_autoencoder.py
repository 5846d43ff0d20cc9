"""models/autoencoder: its two files fit together, and it learns to draw the digits again."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "models/autoencoder"
DATA = re.compile(r'layer {\n  name: "data" type: "Data".*?\n}\n', re.DOTALL)
INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 28 dim: 28 } } }'


def test_deploy_has_the_layers_of_training(tmp_path):
    text = (FOLDER / "train_val.prototxt").read_text()
    (tmp_path / "net.prototxt").write_text(INPUT + DATA.sub("", text))
    nets = [Net(path, TEST) for path in (tmp_path / "net.prototxt", FOLDER / "deploy.prototxt")]
    trained, shapes = ({name: [blob.shape for blob in blobs] for name, blobs in net.params.items()} for net in nets)
    assert trained == shapes
    assert shapes["encode4"] == [(30, 250), (30,)]
    count = sum(math.prod(shape) for both in shapes.values() for shape in both)
    assert f"| parameters | {count:,}" in (FOLDER / "readme.md").read_text()


@pytest.mark.slow
def test_learns_to_draw_the_digits_again(tmp_path):
    command = [sys.executable, "-m", "caffelite", "train", "--solver", str(ROOT / "solvers/autoencoder.prototxt")]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    errors = [float(value) for value in re.findall(r"Test net output #1: l2_error = ([0-9.]+)", run.stderr)]
    assert errors[0] > 70
    assert errors[-1] < 5.2
