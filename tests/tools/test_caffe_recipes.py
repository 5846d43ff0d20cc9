import re

import pytest
from google.protobuf import text_format

from caffelite import examples
from caffelite.datasets.published_weights import read_readme
from caffelite.proto.caffe_pb2 import NetParameter, SolverParameter
from caffelite.tools.caffe_recipes import GET, NETS, nets, recipes

# What recipes make, as those of Caffe's do, or people have to make.
MADE = {
    "examples/mnist/mnist_train_lmdb",
    "examples/mnist/mnist_test_lmdb",
    "examples/siamese/mnist_siamese_train_leveldb",
    "examples/siamese/mnist_siamese_test_leveldb",
    "examples/cifar10/cifar10_train_lmdb",
    "examples/cifar10/cifar10_test_lmdb",
    "examples/cifar10/mean.binaryproto",
    "examples/imagenet/ilsvrc12_train_lmdb",
    "examples/imagenet/ilsvrc12_val_lmdb",
    "data/ilsvrc12/imagenet_mean.binaryproto",
}


@pytest.fixture(scope="module")
def texts():
    return dict(nets(examples.folder(), "the mark"))


@pytest.fixture(scope="module")
def scripts():
    return dict(recipes("the mark"))


def test_what_there_is(texts, scripts):
    assert {"examples/mnist/create_mnist.sh", "examples/cifar10/create_cifar10.sh"} < set(scripts)
    assert set(GET) == {"data/mnist/get_mnist.sh", "data/cifar10/get_cifar10.sh"}
    assert {"examples/mnist/lenet_solver.prototxt", "models/bvlc_googlenet/readme.md"} < set(texts)
    for text in (*texts.values(), *scripts.values()):
        assert any("the mark" in line for line in text.splitlines()[:2] if line.startswith("#"))


def test_nets_name_what_the_recipes_make(texts):
    named = set()
    for text in texts.values():
        named |= set(re.findall(r'(?:source|mean_file): "(.*?)"', text))
    assert named == MADE


def test_the_recipes_make_what_nets_name(scripts):
    made = " ".join(scripts.values())
    assert all(path in made or path.startswith("examples/imagenet/") for path in MADE)


def test_scripts_train_by_solvers_that_are_there(texts, scripts):
    named = {name for text in scripts.values() for name in re.findall("--solver=([^ ]+)", text)}
    assert {name for name in named if name not in texts} == set()
    assert len(named) == 8


def test_solvers_name_nets_that_are_there(texts):
    for name, text in texts.items():
        if "solver" in name:
            solver = text_format.Parse(text, SolverParameter())
            assert solver.net in texts
            assert solver.snapshot_prefix.rpartition("/")[0] == name.rpartition("/")[0]


def test_stages_go_on_from_the_snapshots_before(texts, scripts):
    snapshots = {}
    for name in texts:
        if "solver" in name:
            solver = text_format.Parse(texts[name], SolverParameter())
            snapshots[name] = f"{solver.snapshot_prefix}_iter_{solver.max_iter}.solverstate"
    for script, count in (("train_quick.sh", 2), ("train_full.sh", 3)):
        stages = re.findall(r"--solver=([^ ]+)(?: --snapshot=([^ ]+))? \"\$@\"", scripts[f"examples/cifar10/{script}"])
        assert len(stages) == count
        assert [after for _, after in stages] == ["", *(snapshots[name] for name, _ in stages[:-1])]


def without_texts(message):
    """Return the text of a message without what is in quotes."""
    return re.sub(r'"[^"]*"|backend: LEVELDB|backend: LMDB', "", str(message))


def test_only_paths_differ_from_what_comes_with_caffelite(texts):
    for name, ours in ((name, ours) for paths in NETS for name, ours in paths.files.items()):
        if name.endswith(".prototxt"):
            kind = SolverParameter if "solver" in name else NetParameter
            theirs = text_format.Parse((examples.folder() / ours).read_text(), kind())
            assert without_texts(text_format.Parse(texts[name], kind())) == without_texts(theirs)


@pytest.mark.parametrize("name", ["bvlc_reference_caffenet", "bvlc_alexnet", "bvlc_googlenet"])
def test_readmes_tell_of_the_weights(texts, tmp_path, name):
    path = tmp_path / "readme.md"
    path.write_text(texts[f"models/{name}/readme.md"])
    weights = read_readme(path)
    assert weights.caffemodel == f"{name}.caffemodel"
    assert weights.caffemodel_url == f"http://dl.caffe.berkeleyvision.org/{name}.caffemodel"


def test_every_text_that_is_changed_is_found():
    found = {
        old: any(old in (examples.folder() / ours).read_text() for ours in paths.files.values())
        for paths in reversed(NETS)  # of GoogLeNet, which has no mean file, the other two nets for ImageNet tell
        for old in paths.changes
    }
    assert [old for old in found if not found[old]] == []
