"""Old recipes, run in a root as their authors wrote them."""

import gzip
import hashlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import caffelite as package
from caffelite.cli.command import COMMANDS
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.proto.caffe_pb2 import BlobProto

HOME = str(Path(package.__file__).parent.parent)

CREATE = """
set -e
EXAMPLE=examples/mine
TOOLS=build/tools
GLOG_logtostderr=1 $TOOLS/convert_imageset --resize_height=40 --resize_width=48 data/images/ data/list.txt $EXAMPLE/lmdb
$TOOLS/compute_image_mean $EXAMPLE/lmdb $EXAMPLE/mean.binaryproto
"""
TRAIN = """
set -e
./build/tools/caffe train --solver=examples/mine/solver.prototxt $@ 2>&1 | tee examples/mine/train.log
python tools/extra/parse_log.py examples/mine/train.log examples/mine
./build/tools/caffe test -model examples/mine/net.prototxt -weights examples/mine/out_iter_4.caffemodel -iterations 2
./build/tools/extract_features examples/mine/out_iter_4.caffemodel examples/mine/net.prototxt ip examples/mine/ip 2 lmdb
"""
NET = """
layer { name: "data" type: "Data" top: "data" top: "label"
  transform_param { mean_file: "examples/mine/mean.binaryproto" scale: 0.01 }
  data_param { source: "examples/mine/lmdb" backend: LMDB batch_size: 3 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = """
net: "examples/mine/net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 4 display: 2 test_iter: 2 test_interval: 2
snapshot_prefix: "examples/mine/out" random_seed: 1
"""


@pytest.fixture
def root(folder, golden_folder, program):
    """A root with the golden images; its path."""
    done = program("make-caffe-root", "root")
    assert done.status == 0, done.err
    (folder / "root" / "data" / "images").symlink_to(golden_folder / "data" / "images")
    (folder / "root" / "data" / "list.txt").write_text((golden_folder / "data" / "list.txt").read_text())
    (folder / "root" / "examples" / "mine").mkdir()
    return folder / "root"


def recipe(root, script, *words):
    """Run a shell script in the root; its own Python is the one that a person has."""
    python = root.parent / "bin"
    python.mkdir(exist_ok=True)
    if not (python / "python").exists():
        (python / "python").symlink_to(sys.executable)
    environment = {**os.environ, "PATH": f"{python}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-c", script, "sh", *words], cwd=root, env=environment, capture_output=True, text=True, timeout=100
    )


def test_a_recipe_that_makes_a_database(root, golden_folder):
    done = recipe(root, CREATE)
    assert done.returncode == 0, done.stderr
    for made, name in (("lmdb/data.mdb", "raw_lmdb/data.mdb"), ("mean.binaryproto", "mean.binaryproto")):
        assert (root / "examples" / "mine" / made).read_bytes() == (golden_folder / "data" / name).read_bytes()


@pytest.mark.slow
def test_a_recipe_that_trains_tests_and_extracts(root):
    assert recipe(root, CREATE).returncode == 0
    (root / "examples" / "mine" / "net.prototxt").write_text(NET)
    (root / "examples" / "mine" / "solver.prototxt").write_text(SOLVER)
    done = recipe(root, TRAIN, "-gpu", "0")
    assert done.returncode == 0, done.stderr
    assert "Optimization Done." in done.stdout
    assert "Loss: " in done.stderr
    made = sorted(os.listdir(root / "examples" / "mine"))
    assert {"ip", "out_iter_4.caffemodel", "train.log", "train.log.test", "train.log.train"} < set(made)


def idx(array):
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def test_get_mnist(root, folder):
    (folder / "source").mkdir()
    expected = {}
    for part, count in (("train", 60000), ("t10k", 10000)):
        for name, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            expected[f"{part}-{name}-ubyte"] = idx(np.full(shape, 7, np.uint8))
    for name, content in expected.items():
        (folder / "source" / f"{name}.gz").write_bytes(gzip.compress(content, 1))
    done = recipe(root, "./data/mnist/get_mnist.sh --source=../source")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"data/mnist/{name}" for name in expected]
    made = {name: (root / "data" / "mnist" / name).read_bytes() for name in expected}
    assert made == expected


@pytest.mark.slow
def test_create_mnist_and_train_lenet(root):
    random = np.random.default_rng(1)
    for part, count in (("train", 90), ("t10k", 40)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        (root / "data" / "mnist" / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (root / "data" / "mnist" / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(count, dtype=np.uint8) % 10))
    for _ in range(2):  # what is there is made anew
        done = recipe(root, "./examples/mnist/create_mnist.sh")
        assert done.returncode == 0, done.stderr
    assert LmdbReader(root / "examples" / "mnist" / "mnist_test_lmdb").entries == 40
    solver = root / "examples" / "mnist" / "lenet_solver.prototxt"
    solver.write_text(
        solver.read_text().replace("max_iter: 10000", "max_iter: 2").replace("test_iter: 100", "test_iter: 1")
    )
    done = recipe(root, "./examples/mnist/train_lenet.sh")
    assert done.returncode == 0, done.stderr
    assert {"lenet_iter_2.caffemodel", "lenet_iter_2.solverstate"} < set(os.listdir(root / "examples" / "mnist"))
    done = recipe(root, "./examples/siamese/create_mnist_siamese.sh")
    assert done.returncode == 0, done.stderr
    done = recipe(
        root, "./build/tools/caffe time -model examples/siamese/mnist_siamese_train_test.prototxt -iterations 1"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_get_cifar10_and_create_cifar10(root, folder):
    (folder / "source").mkdir()
    records = np.random.default_rng(2).integers(0, 256, (10000, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (folder / "source" / f"{name}.bin").write_bytes(records.tobytes())
    done = recipe(root, "./data/cifar10/get_cifar10.sh --source=../source && ./examples/cifar10/create_cifar10.sh")
    assert done.returncode == 0, done.stderr
    made = root / "examples" / "cifar10"
    assert LmdbReader(made / "cifar10_train_lmdb").entries == 50000
    mean = BlobProto.FromString((made / "mean.binaryproto").read_bytes())
    np.testing.assert_allclose(mean.data, records[:, 1:].mean(axis=0, dtype=np.float64), rtol=1e-6)


def test_download_model_binary(root, folder, serve):
    model, content = root / "models" / "bvlc_alexnet", b"weights " * 100
    expected, other = "9116a64c0fbe4459d18f4bb6b56d647b63920377", hashlib.sha1(content).hexdigest()
    (folder / "server").mkdir()
    (folder / "server" / "bvlc_alexnet.caffemodel").write_bytes(content)
    readme = (model / "readme.md").read_text().replace("http://dl.caffe.berkeleyvision.org", serve(folder / "server"))
    (model / "readme.md").write_text(readme)
    done = recipe(root, "python scripts/download_model_binary.py models/bvlc_alexnet")
    assert done.returncode == 1
    assert f"its SHA-1 is {other} instead of {expected}" in done.stderr
    assert not (model / "bvlc_alexnet.caffemodel").exists()
    (model / "readme.md").write_text(readme.replace(expected, other))
    done = recipe(root, "python scripts/download_model_binary.py models/bvlc_alexnet")
    assert (done.returncode, done.stdout) == (0, "models/bvlc_alexnet/bvlc_alexnet.caffemodel\n"), done.stderr
    assert (model / "bvlc_alexnet.caffemodel").read_bytes() == content


def test_a_python_program_finds_its_caffe(root):
    code = """
import sys, os
caffe_root = './'
sys.path.insert(0, caffe_root + 'python')
assert os.path.isfile(caffe_root + 'build/tools/caffe')
import caffe
from caffe.proto import caffe_pb2
print(caffe.__name__, caffe_pb2.__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout == "caffelite caffelite.proto.caffe_pb2\n", done.stderr
    environment = {**os.environ, "PYTHONPATH": f"{root}/python:{HOME}"}
    done = subprocess.run(
        [sys.executable, "-c", "import caffe; print(caffe.__name__)"], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "caffelite\n", done.stderr


def test_prints_what_it_writes_and_names_what_it_keeps(caffelite, folder):
    (folder / "mine" / "python" / "caffe").mkdir(parents=True)
    result = caffelite("make-caffe-root", "mine")
    assert result.status == 0
    lines = result.out.splitlines()
    assert "mine/build/tools/caffe" in lines
    assert all((folder / line).exists() for line in lines)
    assert result.texts == [
        "mine/python/caffe is not caffelite's, and stays as it is",
        "`import caffe` does not give caffelite from there: name another DIR, or use `caffelite alias`",
    ]
    again = caffelite("make-caffe-root", "other root")
    assert again.out.splitlines()[-1] == (
        f"For Python programs that say `import caffe`: export PYTHONPATH='{folder}/other root/python'"
    )
    scripts = {"classify", "detect", "draw_net"} & set(COMMANDS)
    made = [line for line in again.out.splitlines() if line.startswith("other root/python/")]
    assert len(made) == len({"train", "caffe"} | scripts)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "make-caffe-root is missing DIR"),
        ([""], "DIR is empty; write . for the working directory"),
        (["net.prototxt"], "net.prototxt is no folder"),
    ],
)
def test_what_is_refused(caffelite, words, message):
    result = caffelite("make-caffe-root", *words)
    assert result.status == 1
    assert message in result.error
