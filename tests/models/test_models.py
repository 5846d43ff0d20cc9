"""models/: the nets that BVLC Caffe 1.0 makes of the public files of these names; solvers/ fit their nets and data."""

import json
from pathlib import Path

import pytest

from caffelite.core.prototxt.parse import read_net, read_solver
from caffelite.proto.caffe_pb2 import TEST, TRAIN, LayerParameter, NetParameter
from caffelite.pycaffe import Net

ROOT = Path(__file__).resolve().parents[2]
OWN = {"autoencoder", "lenet_small"}  # nets that nobody else has
# What tests/models/test_zoo.py tests: nets that Caffe 1.0 was not asked for, many of them with layers of forks.
ZOO = {
    "densenet121",
    "fcn8s",
    "mobilenet_ssd",
    "mobilenet_v2",
    "pspnet50",
    "resnet50",
    "ssd300_vgg16",
    "vgg16",
    "yolov3_tiny",
}
MODELS = sorted({path.parent.name for path in ROOT.glob("models/*/deploy.prototxt")} - OWN - ZOO)
SOLVERS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("solvers/*.prototxt"))
# The nets whose data sets `caffelite dataset` makes, and the shape of a sample.
SAMPLES = {"lenet": (1, 28, 28), "lenet_small": (1, 28, 28), "cifar10_quick": (3, 32, 32), "cifar10_full": (3, 32, 32)}
TRAIN_VALS = sorted(str(path.relative_to(ROOT)) for model in SAMPLES for path in ROOT.glob(f"models/{model}/train*"))
DATASET_SOLVERS = [name for name in SOLVERS if Path(name).name.startswith(("lenet_", "cifar10_"))]


def caffes(name: str) -> dict:
    return json.loads((ROOT / f"tests/golden/nets/{name}.json").read_text())


def described(net: Net) -> dict:
    """What the golden tables hold, of our net."""
    layers = [
        {
            "name": layer.name,
            "type": layer.type,
            "bottom": [name for name, _ in net.bottoms(index)],
            "top": [name for name, _ in net.tops(index)],
            "params": [list(blob.shape) for blob in layer.blobs],
        }
        for index, layer in enumerate(net.layers)
    ]
    blobs = {name: list(blob.shape) for name, blob in net.blobs.items()}
    return {"layers": layers, "blobs": blobs, "inputs": list(net.inputs), "outputs": list(net.outputs)}


def fed_by_input(path: Path, phase: int) -> NetParameter:
    """The net of a train_val file, its data layer of this phase replaced by an Input layer."""
    net = read_net(path)[0]
    data = next(layer for layer in net.layer if layer.type == "Data" and layer.include[0].phase == phase)
    fed = LayerParameter(name="input", type="Input", top=data.top)
    batch = data.data_param.batch_size
    for shape in ((batch, *SAMPLES[path.parent.name]), (batch,)):
        fed.input_param.shape.add(dim=shape)
    layers = [fed, *(layer for layer in net.layer if layer.type != "Data")]
    return NetParameter(name=net.name, layer=layers)


@pytest.mark.parametrize("model", MODELS)
def test_deploy_net_equals_caffes(model):
    golden = caffes(model)
    net = Net(ROOT / f"models/{model}/deploy.prototxt", TEST)
    assert described(net) == {key: golden[key] for key in ("layers", "blobs", "inputs", "outputs")}


def test_the_small_lenet_is_lenet_with_fewer_hidden_units():
    lenet = read_net(ROOT / "models/lenet/deploy.prototxt")[0]
    hidden = next(layer for layer in lenet.layer if layer.name == "ip1")
    assert (lenet.name, hidden.inner_product_param.num_output) == ("LeNet", 500)
    lenet.name, hidden.inner_product_param.num_output = "LeNet_small", 64
    lenet.layer[0].input_param.shape[0].dim[0] = 1
    assert read_net(ROOT / "models/lenet_small/deploy.prototxt")[0] == lenet


@pytest.mark.parametrize("name", ["digits", "mnist", "fashion_mnist"])
def test_lenet_for_training_equals_caffes(name):
    golden = caffes("lenet_train")
    net = Net(fed_by_input(ROOT / f"models/lenet/train_val_{name}.prototxt", TRAIN), TRAIN)
    assert described(net) == {key: golden[key] for key in ("layers", "blobs", "inputs", "outputs")}


@pytest.mark.parametrize("path", TRAIN_VALS)
def test_train_val_net_has_the_layers_of_deploy(path):
    deploy = read_net((ROOT / path).with_name("deploy.prototxt"))[0]
    fields = {"convolution_param", "inner_product_param", "pooling_param", "lrn_param"}
    for layer in [*deploy.layer, *(train := read_net(ROOT / path)[0]).layer]:
        for param in (layer.convolution_param, layer.inner_product_param):
            param.ClearField("weight_filler")
        for field, _ in layer.ListFields():
            if field.name.endswith("_param") and field.name not in fields:
                layer.ClearField(field.name)
        layer.ClearField("param")
    ends = {"Input", "Data", "Softmax", "SoftmaxWithLoss", "Accuracy"}
    inner = [[layer for layer in net.layer if layer.type not in ends] for net in (deploy, train)]
    assert inner[0] == inner[1]


@pytest.mark.parametrize("path", TRAIN_VALS)
def test_test_net_reports_accuracy_and_loss(path):
    net = Net(fed_by_input(ROOT / path, TEST), TEST)
    assert list(net.outputs) == ["accuracy", "loss"]


@pytest.mark.parametrize("name", SOLVERS)
def test_solver_begins_with_its_command_and_names_nets_that_parse(name):
    assert f"caffelite train --solver {name}" in "".join((ROOT / name).read_text().splitlines()[:3])
    solver = read_solver(ROOT / name)[0]
    nets = [solver.net] if solver.net else [solver.train_net, *solver.test_net]
    assert all(read_net(ROOT / net)[0].layer for net in nets)


@pytest.mark.parametrize("name", DATASET_SOLVERS)
def test_tests_of_a_solver_see_every_image_once(name):
    solver = read_solver(ROOT / name)[0]
    net = read_net(ROOT / solver.net)[0]
    data = next(layer for layer in net.layer if layer.type == "Data" and layer.include[0].phase == TEST)
    images = 360 if "digits" in name else 10000
    assert solver.test_iter[0] * data.data_param.batch_size == images
    assert solver.snapshot_prefix == "snapshots/" + Path(name).stem.split("_lr")[0]
    assert solver.max_iter % (solver.snapshot or 1) == 0


@pytest.mark.parametrize("name", TRAIN_VALS)
def test_train_val_begins_with_the_command_that_uses_it(name):
    what, command = (ROOT / name).read_text().splitlines()[:2]
    assert what.startswith("# ")
    solver = command.partition("caffelite train --solver ")[2]
    assert read_solver(ROOT / solver)[0].net == name
