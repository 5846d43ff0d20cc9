"""models/: the nets for ImageNet and for pairs of digits are BVLC Caffe's, their files fit together, and they build."""

import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from caffelite.core.prototxt.parse import read_net, read_solver
from caffelite.proto.caffe_pb2 import TEST, TRAIN, LayerParameter, NetParameter
from caffelite.pycaffe import Net
from caffelite.pycaffe_solver import get_solver

ROOT = Path(__file__).resolve().parents[2]
IMAGENET = ["alexnet", "caffenet", "googlenet", "squeezenet_v1.1", "resnet18", "mobilenet_v1"]
TRAIN_VALS = [f"{name}/train_val" for name in IMAGENET] + ["siamese/train_val", "siamese/train_val_mnist"]
SOLVERS = [*IMAGENET, "siamese", "siamese_mnist"]
GENERATED = sorted(path.parent.name for path in ROOT.glob("models/*/generate.py"))
IMAGES = {"siamese": 2000, "siamese_mnist": 10000}  # in testing; ImageNet has 50,000
OUTPUTS = {
    "alexnet": ["accuracy", "loss"],
    "caffenet": ["accuracy", "loss"],
    "googlenet": [f"loss{i}/{top}" for i in (1, 2, 3) for top in (f"loss{i}", "top-1", "top-5")],
    "siamese": ["loss"],
}


def message_of(name: str) -> NetParameter:
    return read_net(ROOT / f"models/{name}.prototxt")[0]


def data_layer(net: NetParameter, phase: int) -> LayerParameter:
    return next(layer for layer in net.layer if layer.type == "Data" and layer.include[0].phase == phase)


def fed_by_input(name: str, phase: int, batch: int) -> NetParameter:
    """The net of a train_val file, its Data layers replaced by an Input layer; weights stay 0, which takes no time."""
    net = message_of(name)
    data = data_layer(net, phase)
    crop = data.transform_param.crop_size
    fed = LayerParameter(name="input", type="Input", top=data.top)
    for shape in ((batch, *((3, crop, crop) if crop else (2, 28, 28))), (batch,)):
        fed.input_param.shape.add(dim=shape)
    layers = [fed, *(layer for layer in net.layer if layer.type != "Data")]
    for layer in layers:
        layer.convolution_param.ClearField("weight_filler")
        layer.inner_product_param.ClearField("weight_filler")
    return NetParameter(name=net.name, layer=layers)


def assert_equals_caffes(net: Net, golden_name: str) -> None:
    golden = json.loads((ROOT / f"tests/golden/nets/{golden_name}.json").read_text())
    for index, (layer, caffes) in enumerate(zip(net.layers, golden["layers"], strict=True)):
        assert caffes == {
            "name": layer.name,
            "type": layer.type,
            "bottom": [name for name, _ in net.bottoms(index)],
            "top": [name for name, _ in net.tops(index)],
            "params": [list(blob.shape) for blob in layer.blobs],
        }
    assert {name: list(blob.shape) for name, blob in net.blobs.items()} == golden["blobs"]
    assert (list(net.inputs), list(net.outputs)) == (golden["inputs"], golden["outputs"])


def test_full_convolution_caffenet_equals_caffes():
    assert_equals_caffes(Net(ROOT / "models/caffenet/deploy_full_conv.prototxt", TEST), "caffenet_full_conv")


@pytest.mark.parametrize(("name", "batch"), [("caffenet", 16), ("googlenet", 8)])
def test_net_for_training_equals_caffes(name, batch):
    assert_equals_caffes(Net(fed_by_input(f"{name}/train_val", TRAIN, batch), TRAIN), f"{name}_train")


@pytest.mark.parametrize("name", TRAIN_VALS)
def test_nets_of_both_phases_build(name):
    training = Net(fed_by_input(name, TRAIN, batch=2), TRAIN)
    testing = Net(fed_by_input(name, TEST, batch=2), TEST)
    assert list(testing.outputs) == OUTPUTS.get(name.split("/")[0], ["accuracy", "accuracy_top5", "loss"])
    assert list(training.outputs) == [top for top in testing.outputs if "loss" in top.split("/")[-1]]
    assert {key: [blob.shape for blob in blobs] for key, blobs in training.params.items()} == {
        key: [blob.shape for blob in blobs] for key, blobs in testing.params.items()
    }


def bare(layer: LayerParameter) -> LayerParameter:
    """The layer without what only training needs."""
    layer.ClearField("param")
    layer.batch_norm_param.ClearField("use_global_stats")
    for param in (layer.convolution_param, layer.inner_product_param):
        param.ClearField("weight_filler")
        param.ClearField("bias_filler")
    return layer


@pytest.mark.parametrize("name", TRAIN_VALS)
def test_train_val_has_the_layers_of_deploy(name):
    ends = {"Input", "Data", "Slice", "Softmax", "SoftmaxWithLoss", "ContrastiveLoss", "Accuracy"}
    deploy, train_val = message_of(f"{name.split('/')[0]}/deploy"), message_of(name)
    inner = [[bare(layer) for layer in net.layer if layer.type not in ends] for net in (deploy, train_val)]
    kept = [layer for layer in inner[1] if not layer.name.startswith(("loss1/", "loss2/")) and layer.name[-2:] != "_p"]
    assert kept == inner[0]


@pytest.mark.parametrize("name", GENERATED)
def test_generated_files_are_up_to_date(name):
    for file_name, text in runpy.run_path(str(ROOT / f"models/{name}/generate.py"))["FILES"].items():
        assert (ROOT / "models" / name / file_name).read_text() == text(), f"run python models/{name}/generate.py"


@pytest.mark.parametrize("name", SOLVERS)
def test_tests_of_a_solver_see_every_image_once(name):
    solver = read_solver(ROOT / f"solvers/{name}.prototxt")[0]
    data = data_layer(read_net(ROOT / solver.net)[0], TEST)
    assert solver.test_iter[0] * data.data_param.batch_size == IMAGES.get(name, 50000)
    assert solver.snapshot_prefix == f"snapshots/{name}"
    assert solver.max_iter % (solver.snapshot or 1) == 0


@pytest.mark.parametrize("name", TRAIN_VALS)
def test_train_val_begins_with_the_command_that_uses_it(name):
    what, command = (ROOT / f"models/{name}.prototxt").read_text().splitlines()[:2]
    assert what.startswith("# ")
    solver = command.partition("caffelite train --solver ")[2]
    assert read_solver(ROOT / solver)[0].net == f"models/{name}.prototxt"


@pytest.mark.parametrize("name", [*IMAGENET, "siamese"])
def test_readme_gives_the_number_of_parameters(name):
    net = Net(ROOT / f"models/{name}/deploy.prototxt", TEST)
    learned = [layer for layer in net.layers if layer.type != "BatchNorm"]
    count = sum(math.prod(blob.shape) for layer in learned for blob in layer.blobs)
    assert f"| parameters | {count:,}" in (ROOT / f"models/{name}/readme.md").read_text()


def test_the_branches_of_the_siamese_net_have_the_same_parameters():
    params = Net(fed_by_input("siamese/train_val", TRAIN, batch=2), TRAIN).params
    for name in ("conv1", "conv2", "ip1", "ip2", "feat"):
        for blob, other in zip(params[name], params[f"{name}_p"], strict=True):
            assert np.shares_memory(blob.data, other.data)
            assert np.shares_memory(blob.diff, other.diff)


def test_the_siamese_net_learns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where first use makes data/
    param = read_solver(ROOT / "solvers/siamese.prototxt")[0]
    param.net = str(ROOT / param.net)
    param.display, param.test_interval, param.test_initialization = 0, 1000, False
    solver = get_solver(param)
    assert len(solver.net.learnable_params) == 10
    net = solver.test_nets[0]
    solver.share_weights(net)
    places, others, same = (net.blobs[name] for name in ("feat", "feat_p", "sim"))
    solver.step(100)
    net.forward()
    distances = np.linalg.norm(places.data - others.data, axis=1)
    assert distances[same.data == 1].mean() < 0.5 * distances[same.data == 0].mean()
