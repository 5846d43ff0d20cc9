"""Old recipes, run in a root as their authors wrote them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import caffelite as package
from caffelite.cli.command import COMMANDS

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
