from pathlib import Path

import numpy as np
import pytest

from caffelite import TEST, Net
from caffelite.core.errors import LayerError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.net.without_data import without_data
from caffelite.core.prototxt.parse import parse_net, read_net
from caffelite.core.prototxt.upgrade import load_net
from caffelite.writing.file import deploy_file

MODELS = Path(__file__).resolve().parents[2] / "models"
FAST = ("lenet", "lenet_small", "siamese")
NETS = [
    pytest.param(path, id=f"{path.parent.name}/{path.stem}", marks=() if path.parent.name in FAST else pytest.mark.slow)
    for path in sorted(MODELS.glob("*/*.prototxt"))
]


def trained(path):
    """Return the test net of a file, with random data in place of its own and weights that tell layers apart."""
    draft = Draft.of(*load_net(path)[:2])
    draft = draft.with_param(with_caller_state(draft.param, TEST))
    net = Net(without_data(draft).draft.message(), TEST, seed=1)
    rng = np.random.default_rng(2)
    for blobs in net.params.values():
        for blob in blobs:
            if (
                blob.num_axes == 1
            ):  # biases, scales and statistics of BatchNorm, whose factor and variances are positive
                blob.data[...] = rng.uniform(0.5, 1.5, blob.shape)
    for name in net.inputs:
        blob = net.blobs[name]
        blob.data[...] = rng.integers(0, 2, blob.shape) if blob.num_axes < 2 else rng.normal(size=blob.shape)
    return net


@pytest.mark.parametrize("path", NETS)
def test_scores_are_equal_bit_for_bit(path, tmp_path):
    net = trained(path)
    net.save(tmp_path / "weights.caffemodel")
    (tmp_path / "deploy.prototxt").write_text(deploy_file(path).text)
    used = Net(tmp_path / "deploy.prototxt", TEST, weights=tmp_path / "weights.caffemodel")
    assert not any(layer.type in ("Accuracy", "SoftmaxWithLoss") for layer in used.layers)
    net.forward()  # which draws what is random among the data
    for name in used.inputs:
        used.blobs[name].reshape(*net.blobs[name].shape)
        used.blobs[name].data[...] = net.blobs[name].data
    common = [name for name in used.blobs if name in net.blobs and "split" not in name]
    assert len(common) > (3 if len(used.layers) > 5 else 1)  # data and scores of the smallest
    used.forward()
    for name in common:
        np.testing.assert_array_equal(used.blobs[name].data, net.blobs[name].data, err_msg=name)


def test_text():
    text = deploy_file(MODELS / "lenet/train_val_mnist.prototxt", batch_size=64).text
    deploy = MODELS / "lenet/deploy.prototxt"
    assert parse_net(text, "deploy.prototxt")[0] == read_net(deploy)[0]  # the one that a person wrote
    assert text.splitlines()[:2] == [
        "# LeNet for use: data 64x1x28x28 in; prob 64x10 out.",
        "# Made of train_val_mnist.prototxt by caffelite deploy.",
    ]


def test_python_layers_can_be_refused(tmp_path):
    layer = 'layer { name: "p" type: "Python" top: "x" python_param { module: "m" layer: "L" } }'
    (tmp_path / "net.prototxt").write_text(layer)
    with pytest.raises(LayerError, match="loaded without Python layers"):
        deploy_file(tmp_path / "net.prototxt", python_layers=False)


def test_a_net_that_has_data_in_training_only(tmp_path):
    (tmp_path / "train.prototxt").write_text(
        'layer { name: "d" type: "DummyData" top: "x" top: "t" include { phase: TRAIN } '
        'dummy_data_param { data_filler { type: "gaussian" } shape { dim: 2 dim: 3 } shape { dim: 2 } } }'
        'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "t" top: "loss" include { phase: TRAIN } }'
    )
    param, _ = parse_net(deploy_file(tmp_path / "train.prototxt").text, "deploy")
    assert [layer.type for layer in param.layer] == ["Input", "InnerProduct", "Softmax"]
