import logging

import numpy as np
import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.prototxt.parse import parse_text
from caffelite.core.weights.caffemodel import read_layers, write_model
from caffelite.proto.caffe_pb2 import TEST, TRAIN, BlobProto, NetParameter
from caffelite.pycaffe import Net

IP = """layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: {inputs} }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param {{ num_output: 2
    bias_term: {bias} weight_filler {{ type: "constant" value: {value} }} }} }}"""


def net_of(inputs=3, bias="true", value=1, dtype=np.float32):
    param = NetParameter(name="net")
    parse_text(IP.format(inputs=inputs, bias=bias, value=value), param, "net.prototxt")
    return Net(param, TEST, dtype=dtype)


@pytest.fixture
def cli(golden_folder):
    return golden_folder / "cli"


@pytest.mark.parametrize("name", ["v1_legacy", "double", "unpacked"])
def test_old_and_odd_files_give_the_parameters_caffe_reads(cli, name):
    net = Net(cli / "net.prototxt", TEST)
    net.copy_from(cli / "weights" / f"weights_{name}.caffemodel")
    expected = np.load(cli / "weights" / "weights_expected.npz")
    for key in expected:
        layer, index = key.rsplit("_", 1)
        np.testing.assert_allclose(net.params[layer][int(index)].data, expected[key], rtol=1e-6)


def test_a_wrong_shape_is_refused_with_both_shapes_and_nothing_is_copied(cli):
    net = Net(cli / "net.prototxt", TEST)
    before = net.arena.data.copy()
    with pytest.raises(WeightsError) as caught:
        net.copy_from(cli / "weights" / "weights_wrong_shape.caffemodel")
    assert str(caught.value) == (
        f"{cli / 'net.prototxt'}:6: {cli / 'weights' / 'weights_wrong_shape.caffemodel'}: "
        "Cannot copy param 0 weights from layer 'ip1'; shape mismatch.  Source param shape is 5 3 (15); target param "
        "shape is 4 3 (12). To learn this layer's parameters from scratch rather than copying from a saved net, "
        "rename the layer."
    )
    np.testing.assert_array_equal(net.arena.data, before)


def test_what_is_saved_equals_what_caffe_saved(cli, tmp_path):
    net = Net(cli / "net.prototxt", TRAIN)
    net.copy_from(cli / "constant_iter_5.caffemodel")
    net.save(tmp_path / "ours.caffemodel")
    caffes = NetParameter.FromString((cli / "constant_iter_5.caffemodel").read_bytes())
    assert NetParameter.FromString((tmp_path / "ours.caffemodel").read_bytes()) == caffes
    assert net.to_proto() == caffes


def test_saved_parameters_and_gradients_come_back(tmp_path, dtype):
    net, other = net_of(value=3, dtype=dtype), net_of(dtype=dtype)
    net.params["ip"][0].diff[...] = 5
    write_model(tmp_path / "a", net.name, net.weight_layers(), write_diff=True)
    other.copy_from(tmp_path / "a")
    np.testing.assert_array_equal(other.params["ip"][0].data, np.full((2, 3), 3))
    np.testing.assert_array_equal(other.params["ip"][0].diff, np.full((2, 3), 5))
    net.save(tmp_path / "a")
    assert [blob.diff for blob in read_layers(tmp_path / "a")[-1].blobs] == [None, None]


def test_another_number_of_blobs_is_refused(tmp_path):
    net_of(bias="false").save(tmp_path / "a")
    with pytest.raises(WeightsError, match=r"Incompatible number of blobs for layer ip: .*a has 1, the net 2"):
        net_of().copy_from(tmp_path / "a")


def test_layers_the_net_lacks_are_logged_and_others_keep_their_values(tmp_path, caplog):
    param = NetParameter()
    text = IP.format(inputs=3, bias="true", value=1)
    parse_text(text + text.replace('"x"', '"z"').replace('"ip"', '"own"').replace('"y"', '"w"'), param, "net.prototxt")
    net = Net(param, TEST)
    message = net_of(value=7).to_proto()
    message.layer.add().CopyFrom(message.layer[1])
    message.layer[2].name = "other"
    (tmp_path / "a").write_bytes(message.SerializeToString())
    with caplog.at_level(logging.INFO, "caffelite"):
        net.copy_from(tmp_path / "a")
    assert "Ignoring source layer other" in caplog.messages
    assert f"layer own got no weights from {tmp_path / 'a'}: it keeps those it has" in caplog.messages
    assert net.params["ip"][0].data[0, 0] == 7
    np.testing.assert_array_equal(net.params["own"][0].data, np.ones((2, 3)))


def test_a_file_that_has_none_of_the_nets_layers_is_refused(tmp_path):
    message = net_of().to_proto()
    message.layer[1].name = "other"
    (tmp_path / "a").write_bytes(message.SerializeToString())
    with pytest.raises(WeightsError, match=r"a: no layer in it has the name of a layer with parameters .* \(ip\)"):
        net_of().copy_from(tmp_path / "a")


def test_a_solverstate_is_called_what_it_is(cli):
    with pytest.raises(WeightsError, match=r"iter_5\.solverstate: this is a solverstate, not a caffemodel; give the"):
        net_of().copy_from(cli / "constant_iter_5.solverstate")


def test_of_equal_names_in_the_net_the_first_layer_is_meant(tmp_path):
    net_of(value=7).save(tmp_path / "a")
    param = NetParameter()
    text = IP.format(inputs=3, bias="true", value=1)
    parse_text(text + text.replace('top: "x"', 'top: "z"').replace('"y"', '"second"'), param, "net.prototxt")
    net = Net(param, TEST)
    net.copy_from(tmp_path / "a")
    assert [layer.blobs[0].data[0, 0] for layer in net.layers if layer.name == "ip"] == [7, 1]


def test_layers_of_equal_names_find_their_own(tmp_path):
    param = NetParameter()
    text = IP.format(inputs=3, bias="true", value=1)
    second = IP.format(inputs=3, bias="false", value=1).partition("\n")[2].replace('"y"', '"second"')
    parse_text(text + second + second.replace("second", "third"), param, "net.prototxt")
    written, read = Net(param, TEST), Net(param, TEST)
    written.arena.data[...] = np.arange(written.arena.data.size)
    written.save(tmp_path / "a")
    read.copy_from(tmp_path / "a")
    np.testing.assert_array_equal(
        [p.blob.data.sum() for p in read.learnable_params], [p.blob.data.sum() for p in written.learnable_params]
    )


def test_of_repeated_source_layers_the_last_wins(tmp_path):
    (tmp_path / "a").write_bytes(
        net_of(value=7).to_proto().SerializeToString() + net_of(value=8).to_proto().SerializeToString()
    )
    net = net_of()
    net.copy_from(tmp_path / "a")
    assert net.params["ip"][0].data[0, 0] == 8


def test_a_file_without_layers_is_refused(tmp_path):
    mean = BlobProto(num=1, channels=1, height=1, width=2, data=[1, 2])
    (tmp_path / "mean.binaryproto").write_bytes(mean.SerializeToString())
    with pytest.raises(WeightsError, match=r"mean\.binaryproto: it holds no layers; the file is damaged"):
        read_layers(tmp_path / "mean.binaryproto")
