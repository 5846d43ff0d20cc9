import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import caffelite as caffe
from caffelite import layers as L
from caffelite.cli import main
from caffelite.core import mode

PROGRAM = Path(sys.executable).parent / "caffelite"
# Whether kernels are compiled depends on the tests before; test_progress.py and test_live.py test what is said of it.
COMPILING = re.compile(r"^caffelite: compil(?:ing|ed) kernels for this CPU, once: .*\n", re.MULTILINE)
PREFIX = re.compile(r"[IWEF](?:MMDD HH:MM:SS\.UUUUUU TID|\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+) [^ \]]+:\d+\] ")
SPEED = re.compile(r"\([^ ]+ iter/s, [^ ]+s/(\d+) iters\)")
MILLISECONDS = re.compile(r"[^ ]+ ms\.")

NET = """name: "tiny"
layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 } data_filler { type: "constant" value: 0.5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "constant" value: 0.1 } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = """net: "net.prototxt"
test_iter: 1
test_interval: 1000
base_lr: 0.01
lr_policy: "fixed"
display: 0
max_iter: 4
snapshot_prefix: "tiny"
random_seed: 1
"""


class Result(NamedTuple):
    """What a command left behind: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def texts(self) -> list[str]:
        """The texts of the log lines, without their prefixes."""
        return texts_of(self.err)

    @property
    def error(self) -> str:
        """The one line, behind the log, that says what is wrong."""
        errors = [line for line in self.err.splitlines() if line.startswith(("caffelite: error: ", "ERROR: "))]
        assert len(errors) == 1, self.err
        assert self.err.endswith(errors[0] + "\n"), self.err
        assert "Traceback" not in self.err
        return errors[0]


def texts_of(log: str) -> list[str]:
    """Texts of the log lines; speeds and times are made #, dumps of messages left out."""
    lines = [PREFIX.sub("", line, count=1) for line in log.splitlines() if PREFIX.match(line)]
    return [MILLISECONDS.sub("# ms.", SPEED.sub(r"(# iter/s, #s/\1 iters)", line)) for line in lines]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory of the test, with a small net and its solver."""
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mode, "_warned", False)
    return tmp_path


@pytest.fixture
def net_of_means(folder):
    """A net of which the output is the mean of each channel of its input, (2, 3, 4, 5); its files in the folder."""
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[2, 3, 4, 5]))
    n.mean = L.Pooling(n.data, pool="AVE", global_pooling=True)
    n.ip = L.InnerProduct(n.mean, num_output=3, bias_term=False)
    (folder / "deploy.prototxt").write_text(str(n.to_proto()))
    net = caffe.Net("deploy.prototxt", caffe.TEST)
    net.params["ip"][0].data[...] = np.eye(3)
    net.save("net.caffemodel")
    return net


@pytest.fixture
def texts():
    """Texts of the lines of a log: texts(stderr) -> list."""
    return texts_of


@pytest.fixture
def golden_cli(folder, golden_folder):
    """The working directory, with the net, solver and snapshot of golden/cli."""
    for name in ("net.prototxt", "solver.prototxt", "constant_iter_5.caffemodel", "constant_iter_5.solverstate"):
        shutil.copy(golden_folder / "cli" / name, folder)
    return folder


@pytest.fixture
def golden_lines(golden_folder):
    """Texts of a log of Caffe's, without the line of the softmax that its loss layer makes inside itself."""

    def read(name):
        lines = texts_of((golden_folder / "cli" / name).read_text())
        return [
            line
            for line, following in zip(lines, [*lines[1:], ""], strict=True)
            if not (line.startswith("Creating layer ") and following == line.replace("Creating layer", "Setting up"))
        ]

    return read


@pytest.fixture
def solver_with(folder):
    """Write solver.prototxt again with other fields: solver_with(max_iter="7", snapshot=None)."""

    def write(**fields):
        lines = [line for line in SOLVER.splitlines() if line.partition(":")[0] not in fields]
        lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
        (folder / "solver.prototxt").write_text("\n".join(lines) + "\n")

    return write


@pytest.fixture
def caffelite(folder, capsys):
    """Run a command line in this process: caffelite("train", "--solver=s.prototxt") -> Result."""

    def run(*words):
        status = main(words)
        out, err = capsys.readouterr()
        return Result(status, out, COMPILING.sub("", err))

    return run


@pytest.fixture
def program(folder):
    """Run the installed program in a process of its own; it takes a second to start."""

    def run(*words, **options):
        done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=100, **options)
        return Result(done.returncode, done.stdout, COMPILING.sub("", done.stderr))

    return run


@pytest.fixture
def started_program(folder):
    """Start the installed program and return the process; it is ended with the test."""
    processes = []

    def start(*words, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        processes.append(subprocess.Popen([PROGRAM, *words], **options))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()
