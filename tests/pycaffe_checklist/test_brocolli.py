"""A foreign judge: brocolli 4.0.2 converts a PyTorch net to Caffe, runs both, and compares what they compute.

It imports caffe, writes caffe_pb2 messages, and runs caffe.Net; `caffelite alias` gives it caffelite as that. PyTorch
is too large for every run: `pytest -m soak` on this file makes an environment of its own. TORCH in the environment is
what pip is asked for in place of torch, such as torch==2.13.0+cpu, which has no CUDA.

Recorded 2026-11-28 with torch 2.13.0 (CPU), numpy 2.4.6, Python 3.11: "accuracy test passed", plain and with fused
BatchNorm; outputs that span 0.78 differ by at most 3e-8, where brocolli allows 1e-3.
"""

import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROCOLLI = "brocolli==4.0.2"  # its requirements onnx and onnxruntime are those of its other converter, and of 2021
SCRIPT = """
import sys

import numpy as np
import torch
from brocolli.converter.pytorch_caffe_parser import PytorchCaffeParser
from torch import nn


class Block(nn.Module):
    def __init__(self, channels, num_output, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, num_output, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(num_output)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(num_output, num_output, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_output)
        projection = nn.Sequential(nn.Conv2d(channels, num_output, 1, stride, bias=False), nn.BatchNorm2d(num_output))
        self.shortcut = nn.Identity() if channels == num_output else projection

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, (7, 5), 2, (3, 2)), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(Block(16, 16, 1), Block(16, 32, 2), Block(32, 32, 1))
        self.up = nn.ConvTranspose2d(32, 16, 4, 2, 1)
        self.up_each = nn.ConvTranspose2d(16, 16, 4, 2, 1, groups=16, bias=False)
        self.each = nn.Conv2d(16, 16, 3, 1, 2, dilation=2, groups=16)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = self.up_each(torch.relu(self.up(self.blocks(self.stem(x)))))
        return self.fc(torch.flatten(self.pool(self.each(x)), 1))


torch.manual_seed(0)
net = Net()
for module in net.modules():
    if isinstance(module, nn.BatchNorm2d):  # a fresh one changes nothing
        nn.init.uniform_(module.weight, 0.5, 2)
        nn.init.normal_(module.bias)
        nn.init.normal_(module.running_mean)
        nn.init.uniform_(module.running_var, 0.2, 3)
parser = PytorchCaffeParser(net, torch.rand(2, 3, 64, 48), fuse=sys.argv[1] == "fused")
parser.convert()
parser.save("net")
parser.check_result()
(name,) = parser.net.outputs
caffe_output, torch_output = parser.caffe_output[name], parser.pytorch_output[0].detach().numpy()
print("spread", np.ptp(torch_output), "difference", np.abs(caffe_output - torch_output).max())
"""
AT_THE_TOP = {"build", "data", "dist", "snapshots"}


def not_in_git(folder, names):
    hidden = {name for name in names if name.startswith(".") or name == "__pycache__" or name.endswith(".egg-info")}
    return hidden | AT_THE_TOP if Path(folder) == ROOT else hidden


def run(*words, cwd=None):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, cwd=cwd, env=environment)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment with caffelite, its alias, PyTorch and brocolli."""
    folder = tmp_path_factory.mktemp("brocolli")
    shutil.copytree(ROOT, folder / "sources", ignore=not_in_git)
    venv.create(folder / "venv", with_pip=True)
    made = folder / "venv" / "bin" / "python"
    for what in (["torch", os.environ.get("TORCH", "torch")], ["caffelite", folder / "sources"]):
        done = run(made, "-m", "pip", "install", "-q", what[1])
        if done.returncode:
            pytest.fail(f"pip cannot install {what[0]}, so brocolli judged nothing:\n{done.stderr}", pytrace=False)
    for words in (["--no-deps", BROCOLLI], ["loguru", "tabulate"]):
        done = run(made, "-m", "pip", "install", "-q", *words)
        assert done.returncode == 0, done.stderr
    done = run(made, "-m", "caffelite", "alias")
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.soak
@pytest.mark.parametrize("form", ["plain", "fused"])
def test_it_prints_accuracy_test_passed(python, tmp_path, form):
    done = run(python, "-c", SCRIPT, form, cwd=tmp_path)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "accuracy test passed" in output
    spread, difference = (float(done.stdout.split()[i]) for i in (1, 3))
    assert spread > 0.1  # outputs that are all alike would agree for no reason
    assert difference < 1e-5
