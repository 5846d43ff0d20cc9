import numpy as np
import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.prototxt.lines import Lines
from caffelite.core.prototxt.upgrade import upgrade_net
from caffelite.core.weights.upgrade import OldWeights
from caffelite.proto.caffe_pb2 import BlobProto, NetParameter, V1LayerParameter


def blob(*values):
    return BlobProto(num=1, channels=1, height=1, width=len(values), data=values)


def v0_net():
    net = NetParameter(name="old", input=["data"])
    pad = net.layers.add(bottom=["data"], top=["pad"])
    pad.layer.type, pad.layer.pad = "padding", 2
    conv = net.layers.add(bottom=["pad"], top=["conv"])
    conv.layer.name, conv.layer.type = "conv", "conv"
    conv.layer.blobs.extend([blob(1, 2), blob(3)])
    relu = net.layers.add(bottom=["conv"], top=["conv"])
    relu.layer.name, relu.layer.type = "relu", "relu"
    ip = net.layers.add(bottom=["conv"], top=["ip"])
    ip.layer.name, ip.layer.type = "ip", "innerproduct"
    ip.layer.blobs.extend([blob(4, 5, 6)])
    return net


def v1_net():
    net = NetParameter(name="old", input=["data"])
    net.layers.add(name="a", type=V1LayerParameter.CONVOLUTION, blobs=[blob(1, 2)], blobs_lr=[1, 2])
    net.layers.add(name="b", type=V1LayerParameter.RELU)
    return net


@pytest.mark.parametrize("make", [v0_net, v1_net])
def test_files_become_what_the_messages_become(tmp_path, make):
    net = make()
    (tmp_path / "old").write_bytes(net.SerializeToString())
    weights = OldWeights(tmp_path / "old")
    expected, _, notes = upgrade_net(net, Lines(str(tmp_path / "old"), {}))
    assert weights.notes == notes
    weights.write(tmp_path / "new")
    assert NetParameter.FromString((tmp_path / "new").read_bytes()) == expected
    again = OldWeights(tmp_path / "new")
    assert again.notes == []
    again.write(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "new").read_bytes()


def test_what_protobuf_refuses_is_an_error(tmp_path):
    net = NetParameter()
    net.layer.add(name="a", blobs=[BlobProto(data=np.zeros(1), num=1, channels=1, height=1, width=1)])
    (tmp_path / "bad").write_bytes(net.SerializeToString() + b"\x0a\x02\xff\xfe" + b"\x13")
    with pytest.raises(WeightsError, match=r"bad: .*; the file is damaged"):
        OldWeights(tmp_path / "bad")


def test_a_file_without_layers_is_refused(tmp_path):
    (tmp_path / "bad").write_bytes(BlobProto(num=1).SerializeToString())
    with pytest.raises(WeightsError, match="bad: it holds no layers"):
        OldWeights(tmp_path / "bad")
