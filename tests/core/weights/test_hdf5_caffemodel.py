import logging

import h5py
import numpy as np
import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.prototxt.parse import parse_text
from caffelite.core.weights.hdf5_caffemodel import write_model
from caffelite.proto.caffe_pb2 import TEST, TRAIN, NetParameter
from caffelite.pycaffe import Net

INPUT = 'layer { name: "in" type: "Input" top: "in" input_param { shape { dim: 1 dim: 2 } } }'


def ip(name, value=1, bottom="in", param="", outputs=2):
    return f"""layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}_top" {param}
        inner_product_param {{ num_output: {outputs} weight_filler {{ type: "constant" value: {value} }} }} }}"""


def net_of(*layers, dtype=np.float32):
    param = NetParameter()
    parse_text(INPUT + "".join(layers), param, "net.prototxt")
    return Net(param, TEST, dtype=dtype)


def contents(path):
    """Everything in an HDF5 file: name -> shape, type, layout, attributes and bytes."""
    found = {}

    def note(name, item):
        what = (dict(item.attrs),)
        if isinstance(item, h5py.Dataset):
            what += (item.shape, item.dtype, item.chunks, item[()].tobytes())
        found[name] = what

    with h5py.File(path) as root:
        root.visititems(note)
    return found


def test_what_caffe_wrote_is_read_and_written_alike(golden_folder, tmp_path):
    resume = golden_folder / "solvers" / "resume"
    (tmp_path / "net.prototxt").write_text(str(np.load(resume / "adam_hdf5.npz")["net"]))
    net, other = Net(tmp_path / "net.prototxt", TRAIN), Net(tmp_path / "net.prototxt", TRAIN)
    net.copy_from(resume / "adam_iter_5.caffemodel.h5")
    other.copy_from(resume / "adam_iter_5.caffemodel")
    np.testing.assert_array_equal(net.arena.data, other.arena.data)
    net.save_hdf5(tmp_path / "ours.h5")
    assert contents(tmp_path / "ours.h5") == contents(resume / "adam_iter_5.caffemodel.h5")


def test_parameters_come_back_in_their_own_precision(tmp_path, dtype):
    net, other = net_of(ip("a", 3), dtype=dtype), net_of(ip("a"), dtype=dtype)
    net.params["a"][1].data[...] = 1 / 3
    net.save_hdf5(tmp_path / "w.h5")
    other.load_hdf5(tmp_path / "w.h5")
    for ours, theirs in zip(other.params["a"], net.params["a"], strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)


SHARED = 'param { name: "w" } param { }'


def test_shared_parameters_are_stored_once(tmp_path):
    net = net_of(ip("a", 1, param=SHARED), ip("b", 2, "a_top", param=SHARED))
    net.params["a"][0].diff[...] = 5
    write_model(tmp_path / "w.h5", net.name, net.weight_layers(), write_diff=True)
    found = contents(tmp_path / "w.h5")
    data = {name for name in found if name.startswith("data/") and name.count("/") == 2}
    assert data == {"data/a/0", "data/a/1", "data/b/1"}
    assert {name for name in found if name.startswith("diff/b/")} == {"diff/b/0", "diff/b/1"}
    assert found["data/in"] == ({},)
    other = net_of(ip("a", 7, param=SHARED), ip("b", 7, "a_top", param=SHARED))
    other.copy_from(tmp_path / "w.h5")
    np.testing.assert_array_equal(other.params["b"][0].data, np.ones((2, 2)))
    apart = net_of(ip("a"), ip("b", bottom="a_top"))
    with pytest.raises(WeightsError, match=r"w\.h5: param 0 of layer 'b' is missing; rename the layer"):
        apart.copy_from(tmp_path / "w.h5")


def test_names_with_slashes_are_groups_in_groups(tmp_path, caplog):
    names = ["block", "block/3x3", "block/3x3/reduce", "/top//x"]
    net = net_of(*(ip(name, number) for number, name in enumerate(names)))
    net.save_hdf5(tmp_path / "w.h5")
    assert {"data/block/0", "data/block/3x3/1", "data/top/x/0"} <= set(contents(tmp_path / "w.h5"))
    other = net_of(*(ip(name, 9) for name in names))
    with caplog.at_level(logging.INFO, "caffelite"):
        other.copy_from(tmp_path / "w.h5")
    assert not [text for text in caplog.messages if "Ignoring" in text]
    for number, name in enumerate(names):
        assert other.params[name][0].data[0, 0] == number


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["."], r'layer "\.": HDF5 needs a name of its own for each layer; write BINARYPROTO'),
        (["a", "a (1)", "a/"], r'layer "a \(1\)": HDF5 needs a name of its own'),
        (["a", "a/1"], 'layer "a/1": in HDF5 this is the name of a parameter'),
        (["a", "a/1/x"], 'layer "a/1": in HDF5 this is the name of a parameter'),
    ],
)
def test_names_that_hdf5_cannot_tell_apart_are_refused(tmp_path, names, text):
    with pytest.raises(WeightsError, match=text):
        net_of(*(ip(name) for name in names)).save_hdf5(tmp_path / "w.h5")
    assert list(tmp_path.iterdir()) == []


def test_layers_of_equal_names_find_their_own(tmp_path):
    def net():
        second = ip("a", 2, outputs=3).replace("a_top", "second")
        relu = 'layer { name: "a" type: "ReLU" bottom: "second" top: "third" }'
        return net_of(relu.replace("second", "in"), ip("a", 1), second, relu.replace("third", "4th"), ip("a//", 3))

    written, read = net(), net()
    written.arena.data[...] = np.arange(written.arena.data.size)
    written.save_hdf5(tmp_path / "w.h5")
    assert {"data/a (1)/0", "data/a (2)/0", "data/a/0"} <= set(contents(tmp_path / "w.h5"))
    read.load_hdf5(tmp_path / "w.h5")
    for ours, theirs in zip(read.learnable_params, written.learnable_params, strict=True):
        np.testing.assert_array_equal(ours.blob.data, theirs.blob.data)


def test_of_equal_names_the_last_layer_is_meant_and_others_are_ignored(tmp_path, caplog):
    net_of(ip("a", 7), ip("gone")).save_hdf5(tmp_path / "w.h5")
    net = net_of(ip("a", 1), ip("a", 2).replace("a_top", "other"))
    with caplog.at_level(logging.INFO, "caffelite"):
        net.copy_from(tmp_path / "w.h5")
    values = [layer.blobs[0].data[0, 0] for layer in net.layers if layer.name == "a"]
    assert values == [1, 7]
    assert "Ignoring source layer gone" in caplog.messages


def test_ignored_layers_without_parameters_are_logged_and_groups_of_groups_are_not(tmp_path, caplog):
    net_of(ip("a"), ip("block/b")).save_hdf5(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as root:
        root.create_group("data/relu")
    with caplog.at_level(logging.INFO, "caffelite"):
        net_of(ip("a")).copy_from(tmp_path / "w.h5")
    assert [text for text in caplog.messages if "Ignoring" in text] == [
        "Ignoring source layer block/b",
        "Ignoring source layer in_in_0_split",
        "Ignoring source layer relu",
    ]


def test_integers_are_read(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as root:
        root["data/a/0"], root["data/a/1"] = np.arange(4, dtype=np.uint8).reshape(2, 2), np.arange(2, dtype=">i8")
    net = net_of(ip("a"))
    net.copy_from(tmp_path / "w.h5")
    assert net.params["a"][0].data.ravel().tolist() == [0, 1, 2, 3]


def test_another_shape_is_refused_with_both_and_nothing_is_copied(tmp_path):
    net_of(ip("a", 5), ip("b", outputs=3)).save_hdf5(tmp_path / "w.h5")
    net = net_of(ip("a"), ip("b"))
    with pytest.raises(
        WeightsError,
        match=r"^Cannot load blob from hdf5; shape mismatch\. Source shape is 3 2 \(6\) target shape is 2 2 \(4\) "
        r"\(param 0 of layer 'b', .*w\.h5\)\. To learn this layer's parameters from scratch",
    ):
        net.copy_from(tmp_path / "w.h5")
    assert net.params["a"][0].data[0, 0] == 1


def test_more_parameters_than_the_net_has_are_refused(tmp_path):
    net_of(ip("a")).save_hdf5(tmp_path / "w.h5")
    net = net_of(ip("a").replace("num_output", "bias_term: false num_output"))
    with pytest.raises(WeightsError, match=r"Incompatible number of blobs for layer a: .*w\.h5 has 2, the net 1"):
        net.copy_from(tmp_path / "w.h5")


def test_a_file_without_data_is_refused(tmp_path, golden_folder):
    state = golden_folder / "solvers" / "resume" / "adam_iter_5.solverstate.h5"
    with pytest.raises(
        WeightsError, match=r"h5: this is a solverstate, not a caffemodel; give the file of the weights"
    ):
        net_of(ip("a")).copy_from(state)
    with h5py.File(tmp_path / "empty", "w"):
        pass
    with pytest.raises(WeightsError, match=r"it holds no group /data; the file is damaged, .* is not a caffemodel"):
        net_of(ip("a")).copy_from(tmp_path / "empty")


def test_a_file_that_has_none_of_the_nets_layers_is_refused(tmp_path):
    net_of(ip("a")).save_hdf5(tmp_path / "w.h5")
    with pytest.raises(WeightsError, match=r"w\.h5: no layer in it has the name of a layer with parameters .* \(b\)"):
        net_of(ip("b")).copy_from(tmp_path / "w.h5")


def test_load_hdf5_takes_nothing_else(golden_folder):
    with pytest.raises(WeightsError, match="this is another kind of file, not an HDF5 caffemodel"):
        net_of(ip("a")).load_hdf5(golden_folder / "cli" / "constant_iter_5.caffemodel")
