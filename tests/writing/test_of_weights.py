from pathlib import Path

import pytest
from google.protobuf import text_format

from caffelite import TEST, TRAIN, Net
from caffelite.core.errors import WeightsError
from caffelite.core.prototxt.parse import parse_net, read_net
from caffelite.core.prototxt.upgrade import upgrade_net
from caffelite.proto.caffe_pb2 import NetParameter
from caffelite.writing.of_weights import text_of_weights

MODELS = Path(__file__).resolve().parents[2] / "models"
NET = """name: "tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" param { name: "w" lr_mult: 0.1 }
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "relu" }
layer { name: "sum" type: "Eltwise" bottom: "ip" bottom: "relu" top: "sum" }
layer { name: "own_split" type: "Split" bottom: "sum" top: "a" top: "b" }
"""


def recovered(path, **options):
    return parse_net(text_of_weights(path, **options).text, "recovered.prototxt")[0]


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_what_was_saved_comes_back(tmp_path, phase):
    (tmp_path / "net.prototxt").write_text(NET)
    net = Net(tmp_path / "net.prototxt", phase)
    assert any("split" in name for name in net.top_names if name != "own_split")
    net.save(tmp_path / "net.caffemodel")
    assert recovered(tmp_path / "net.caffemodel") == parse_net(NET, "net.prototxt")[0]


@pytest.mark.parametrize(
    "name", ["lenet", *(pytest.param(n, marks=pytest.mark.slow) for n in ("googlenet", "resnet18"))]
)
def test_models_come_back(name, tmp_path):
    path = MODELS / name / "deploy.prototxt"
    Net(path, TEST).save(tmp_path / "net.caffemodel")
    found, wanted = recovered(tmp_path / "net.caffemodel"), read_net(path)[0]
    for layer in found.layer:
        if layer.type == "BatchNorm":
            del layer.param[:]  # lr_mult: 0, which the layer writes into its own message
    assert found == wanted


def test_a_file_of_caffes(golden_folder):
    text = text_of_weights(golden_folder / "cli" / "constant_iter_5.caffemodel").text
    net = parse_net(text, "net.prototxt")[0]
    assert text.startswith("# The net of constant_iter_5.caffemodel, as it is stored there.\n")
    assert [layer.name for layer in net.layer] == ["data", "ip1", "relu1", "ip2", "loss"]
    assert net.layer[1].inner_product_param.weight_filler.value == pytest.approx(0.1)
    assert not any(layer.blobs or layer.HasField("phase") for layer in net.layer)


def stored(tmp_path, source):
    """Store an old net as a caffemodel of its time, with a blob in each layer."""
    net = text_format.Parse(source.read_text(), NetParameter())
    for old in net.layers:
        (old.layer if old.HasField("layer") else old).blobs.add(num=1, channels=1, height=1, width=2, data=[1, 2])
    (tmp_path / "old.caffemodel").write_bytes(net.SerializeToString())
    for old in net.layers:
        del old.blobs[:], old.layer.blobs[:]
        if not old.layer.ListFields():
            old.ClearField("layer")
    return net


@pytest.mark.parametrize("name", ["v0_net", "v1_net"])
def test_old_forms(name, tmp_path, golden_folder):
    source = golden_folder / "cli" / "upgrade" / f"{name}.prototxt"
    old = stored(tmp_path, source)
    found = recovered(tmp_path / "old.caffemodel")
    assert found == old
    upgraded = recovered(tmp_path / "old.caffemodel", upgrade=True)
    assert upgraded == upgrade_net(*parse_net(source.read_text(), "net.prototxt"))[0]
    assert not upgraded.layers


def test_what_an_upgrade_loses_is_told(tmp_path, golden_folder):
    stored(tmp_path, golden_folder / "cli" / "upgrade" / "v0_data_kinds.prototxt")
    assert text_of_weights(tmp_path / "old.caffemodel").notes == []
    notes = text_of_weights(tmp_path / "old.caffemodel", upgrade=True).notes
    assert any(note.startswith("Unknown parameter") for note in notes)


def test_refuses(tmp_path, golden_folder):
    with pytest.raises(WeightsError, match="nothing but the names of 2 layers and their weights"):
        text_of_weights(golden_folder / "cli" / "weights" / "weights_v1_legacy.caffemodel")
    (tmp_path / "net.prototxt").write_text(NET)
    Net(tmp_path / "net.prototxt", TEST).save_hdf5(tmp_path / "net.caffemodel.h5")
    with pytest.raises(WeightsError, match="an HDF5 caffemodel holds weights alone"):
        text_of_weights(tmp_path / "net.caffemodel.h5")
    with pytest.raises(WeightsError, match="net.prototxt"):
        text_of_weights(tmp_path / "net.prototxt")
