"""What Caffe's own tests of Net assert (section 7 of pycaffe's specification), its constructors and attributes."""

import gc
from collections import OrderedDict

import numpy as np
import pytest

import caffelite
from caffelite import _caffe
from caffelite.core.errors import CaffeliteError

LEVELS = """layer { name: 'data' type: 'DummyData' top: 'data'
  dummy_data_param { shape { dim: 1 dim: 1 dim: 10 dim: 10 } } }
layer { name: 'NoLevel' type: 'InnerProduct' bottom: 'data' top: 'NoLevel' inner_product_param { num_output: 1 } }
layer { name: 'Level0Only' type: 'InnerProduct' bottom: 'data' top: 'Level0Only'
  include { min_level: 0 max_level: 0 } inner_product_param { num_output: 1 } }
layer { name: 'Level1Only' type: 'InnerProduct' bottom: 'data' top: 'Level1Only'
  include { min_level: 1 max_level: 1 } inner_product_param { num_output: 1 } }
layer { name: 'Level>=0' type: 'InnerProduct' bottom: 'data' top: 'Level>=0'
  include { min_level: 0 } inner_product_param { num_output: 1 } }
layer { name: 'Level>=1' type: 'InnerProduct' bottom: 'data' top: 'Level>=1'
  include { min_level: 1 } inner_product_param { num_output: 1 } }
"""

STAGES = """layer { name: 'data' type: 'DummyData' top: 'data'
  dummy_data_param { shape { dim: 1 dim: 1 dim: 10 dim: 10 } } }
layer { name: 'A' type: 'InnerProduct' bottom: 'data' top: 'A' include { stage: 'A' }
  inner_product_param { num_output: 1 } }
layer { name: 'B' type: 'InnerProduct' bottom: 'data' top: 'B' include { stage: 'B' }
  inner_product_param { num_output: 1 } }
layer { name: 'AorB' type: 'InnerProduct' bottom: 'data' top: 'AorB' include { stage: 'A' } include { stage: 'B' }
  inner_product_param { num_output: 1 } }
layer { name: 'AandB' type: 'InnerProduct' bottom: 'data' top: 'AandB' include { stage: 'A' stage: 'B' }
  inner_product_param { num_output: 1 } }
"""

ALL_IN_ONE = """layer { name: 'train_data' type: 'DummyData' top: 'data' top: 'label'
  dummy_data_param { shape { dim: 1 dim: 1 dim: 10 dim: 10 } shape { dim: 1 dim: 1 dim: 1 dim: 1 } }
  include { phase: TRAIN stage: 'train' } }
layer { name: 'val_data' type: 'DummyData' top: 'data' top: 'label'
  dummy_data_param { shape { dim: 1 dim: 1 dim: 10 dim: 10 } shape { dim: 1 dim: 1 dim: 1 dim: 1 } }
  include { phase: TEST stage: 'val' } }
layer { name: 'deploy_data' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 1 dim: 10 dim: 10 } }
  include { phase: TEST stage: 'deploy' } }
layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip' inner_product_param { num_output: 2 } }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss'
  include: { phase: TRAIN stage: 'train' } include: { phase: TEST stage: 'val' } }
layer { name: 'pred' type: 'Softmax' bottom: 'ip' top: 'pred' include: { phase: TEST stage: 'deploy' } }
"""


# TestNet


def test_memory_outlives_the_net(net):
    """Params and blobs stay readable and keep their values after the net is gone."""
    params = [blob for values in net.params.values() for blob in list(values)]
    blobs = list(net.blobs.values())
    net.forward()
    net.backward()
    expected = [(blob.data.copy(), blob.diff.copy()) for blob in params + blobs]
    del net
    gc.collect()
    for blob, (data, diff) in zip(params + blobs, expected, strict=True):
        np.testing.assert_array_equal(blob.data, data)
        np.testing.assert_array_equal(blob.diff, diff)


def test_layer_dict(net):
    assert list(net.layer_dict.keys()) == list(net._layer_names)
    for i, name in enumerate(net._layer_names):
        assert net.layer_dict[name].type == net.layers[i].type


def test_forward_backward(net):
    assert list(net.forward()) == ["loss"]
    assert net.backward() == {}
    assert net.blobs["data"].diff.any()  # force_backward


def test_forward_start_end(net):
    values = np.random.default_rng(2).normal(size=net.blobs["conv"].data.shape)
    net.blobs["conv"].data[...] = values
    out = net.forward(start="ip", end="ip")
    weights, bias = (blob.data for blob in net.params["ip"])
    assert list(out) == ["ip_blob"]
    np.testing.assert_allclose(out["ip_blob"], values.reshape(5, -1) @ weights.T + bias, rtol=1e-3, atol=1e-5)


def test_backward_start_end(net):
    gradient = np.random.default_rng(3).normal(size=net.blobs["ip_blob"].data.shape)
    net.blobs["ip_blob"].diff[...] = gradient
    diffs = net.backward(start="ip", end="ip")
    weights = net.params["ip"][0].data
    assert list(diffs) == ["conv"]
    np.testing.assert_allclose(diffs["conv"], (gradient @ weights).reshape(diffs["conv"].shape), rtol=1e-3, atol=1e-5)


def test_clear_param_diffs(net):
    net.forward()
    net.backward()
    view = net.params["conv"][0].diff
    assert view.max() > 0
    net.clear_param_diffs()
    assert (view == 0).all()


def test_parameters_diffs_add_up(net):
    net.forward()
    net.backward()
    once = net.params["ip"][0].diff.copy()
    net.backward()
    np.testing.assert_allclose(net.params["ip"][0].diff, 2 * once, rtol=1e-5)


def test_inputs_outputs(net):
    assert (net.inputs, type(net.inputs)) == ([], list)
    assert (net.outputs, type(net.outputs)) == (["loss"], list)


def test_top_bottom_names(net):
    assert net.top_names == OrderedDict(
        [("data", ["data", "label"]), ("conv", ["conv"]), ("ip", ["ip_blob"]), ("loss", ["loss"])]
    )
    assert net.bottom_names == OrderedDict(
        [("data", []), ("conv", ["data"]), ("ip", ["conv"]), ("loss", ["ip_blob", "label"])]
    )


def check_equal_params(net, other):
    assert list(net.params) == list(other.params) == ["conv", "ip"]
    for name in net.params:
        assert len(net.params[name]) == len(other.params[name]) == 2
        for mine, its in zip(net.params[name], other.params[name], strict=True):
            np.testing.assert_array_equal(mine.data, its.data)


def test_save_and_read(net, net_file, tmp_path, caplog):
    weights = str(tmp_path / "a.caffemodel")
    net.save(weights)
    check_equal_params(net, caffelite.Net(net_file, weights, caffelite.TRAIN))
    assert f"Net('{net_file}', 0, weights='{weights}')" in caplog.messages  # how the old form is written now
    check_equal_params(net, caffelite.Net(net_file, caffelite.TRAIN, weights=weights))
    check_equal_params(net, caffelite.Net(net_file, caffelite.TRAIN, 0, None, weights))
    check_equal_params(net, caffelite.Net(network_file=net_file, phase=caffelite.TRAIN, weights=weights.encode()))


def test_save_hdf5(net, net_file, tmp_path):
    weights = str(tmp_path / "a.h5")
    net.save_hdf5(weights)
    other = caffelite.Net(net_file, caffelite.TRAIN)
    other.load_hdf5(weights)
    check_equal_params(net, other)
    check_equal_params(net, caffelite.Net(net_file, caffelite.TRAIN, weights=weights))


# TestLevels, TestStages, TestAllInOne


@pytest.mark.parametrize(
    ("level", "expected"),
    [({}, ["NoLevel", "Level0Only", "Level>=0"]), ({"level": 1}, ["NoLevel", "Level1Only", "Level>=0", "Level>=1"])],
)
def test_levels(net_of, level, expected):
    assert [name for name in net_of(LEVELS, **level).blobs if "data" not in name] == expected


@pytest.mark.parametrize(
    ("stages", "expected"),
    [(["A"], ["A", "AorB"]), (["B"], ["B", "AorB"]), (("A", "B"), ["A", "B", "AorB", "AandB"])],
)
def test_stages(net_of, stages, expected):
    assert [name for name in net_of(STAGES, stages=stages).blobs if "data" not in name] == expected


@pytest.mark.parametrize(
    ("phase", "stage", "outputs"),
    [(caffelite.TRAIN, "train", ["loss"]), (caffelite.TEST, "val", ["loss"]), (caffelite.TEST, "deploy", ["pred"])],
)
def test_all_in_one(net_of, phase, stage, outputs):
    net = net_of(ALL_IN_ONE, phase, stages=[stage])
    assert net.outputs == outputs
    assert list(net.blobs["data"].shape) == [1, 1, 10, 10]
    net.forward()


# Constructors (section 2.1)


@pytest.mark.parametrize(
    "arguments",
    [(), (1.0,), ("TEST",), ("w.caffemodel",), (7,), ("w.caffemodel", "TEST"), (1, 0.5), (1, 0, "AB")],
)
def test_constructors_refuse(net_file, arguments):
    with pytest.raises(TypeError):
        caffelite.Net(net_file, *arguments)
    with pytest.raises(TypeError):
        caffelite.Net(net_file, caffelite.TEST, level_=1)


def test_numpy_integers_are_phases_and_levels(net_of):
    net = net_of(LEVELS, np.int64(1), level=np.int32(1))
    assert net.phase == caffelite.TEST and "Level1Only" in net.blobs


def test_missing_weights_are_found_before_the_net_is_built(net_of):
    with pytest.raises(RuntimeError, match="File not found: none.caffemodel"):
        net_of("layer { type: 'ReLU' name: 'a' bottom: 'none' top: 'a' }", weights="none.caffemodel")


def test_level_and_phase_replace_those_of_the_file_and_stages_are_added(net_of):
    text = "state { phase: TRAIN level: 3 stage: 'A' } " + STAGES + LEVELS[LEVELS.index("layer { name: 'NoLevel'") :]
    assert [name for name in net_of(text, stages=["B"]).blobs if "data" not in name] == [
        *["A", "B", "AorB", "AandB"],
        *["NoLevel", "Level0Only", "Level>=0"],
    ]


# Attributes (section 2.2)


def test_attributes_by_number(net):
    assert (type(net._layer_names), list(net._layer_names)) == (_caffe.StringVec, ["data", "conv", "ip", "loss"])
    assert list(net._blob_names) == list(net.blobs) == ["data", "label", "conv", "ip_blob", "loss"]
    assert type(net._blobs) is _caffe.BlobVec and all(
        mine is its for mine, its in zip(net._blobs, net.blobs.values(), strict=True)
    )
    assert (type(net._inputs), list(net._inputs), list(net._outputs)) == (_caffe.IntVec, [], [4])
    assert (type(net._blob_loss_weights), list(net._blob_loss_weights)) == (_caffe.DtypeVec, [0, 0, 0, 0, 1])
    assert net.blob_loss_weights == dict(zip(net._blob_names, net._blob_loss_weights, strict=True))
    assert (list(net._top_ids(0)), list(net._bottom_ids(np.int64(3)))) == ([0, 1], [3, 1])
    for call in (net._top_ids, net._bottom_ids):
        with pytest.raises(CaffeliteError, match='layer 4: net "testnet" has layers 0 to 3'):
            call(4)


def test_types_that_programs_ask_for(net):
    assert type(net.params["conv"]) is _caffe.BlobVec and type(net.params["conv"][1:]) is _caffe.BlobVec
    assert type(net.layers[1].blobs) is _caffe.BlobVec and type(net.layers) is _caffe.LayerVec
    assert isinstance(net, _caffe.Net) and isinstance(net.blobs["conv"], _caffe.Blob)
    assert all(isinstance(layer, caffelite.Layer) for layer in net.layers)
    assert isinstance(net.blobs, OrderedDict) and isinstance(net.params, OrderedDict)


def test_dicts_and_lists_are_made_once_and_not_replaced(net):
    names = "blobs params layers layer_dict inputs outputs top_names bottom_names".split()
    for name in names:
        assert getattr(net, name) is getattr(net, name)
        with pytest.raises(AttributeError, match=f"{name} of a Net cannot be replaced"):
            setattr(net, name, [])
    net.inputs.append("mine")
    assert net.inputs == ["mine"]
    net.my_own = 3  # attributes of the user's are kept
    assert net.my_own == 3


def test_splits_are_named_as_in_caffe(net_of):
    net = net_of(
        "input: 'b' input_shape { dim: 1 } input: 'a' input_shape { dim: 1 }"
        "layer { name: 'one' type: 'Power' bottom: 'a' top: 'one' }"
        "layer { name: 'two' type: 'Power' bottom: 'a' top: 'two' }"
    )
    assert list(net._layer_names) == ["input", "a_input_1_split", "one", "two"]
    assert list(net.blobs) == ["b", "a", "a_input_1_split_0", "a_input_1_split_1", "one", "two"]
    assert net.bottom_names["two"] == ["a_input_1_split_1"] and net.layers[1].type == "Split"
    assert net.outputs == ["b", "one", "two"]  # by name, not by place


def test_automatic_tops_do_not_shift_names(net_of):
    """Two losses without tops: pycaffe's lookup by position then gives wrong names."""
    loss = "layer { name: '%s' type: 'EuclideanLoss' bottom: 'x' bottom: 't' }"
    net = net_of(
        "input: 'x' input_shape { dim: 2 dim: 3 } input: 't' input_shape { dim: 2 dim: 3 }"
        + loss % "one"
        + loss % "two"
        + "layer { name: 'last' type: 'Power' bottom: 'x' top: 'y' }"
    )
    assert net.outputs == ["y"] and net.top_names["last"] == ["y"]
    assert list(net.forward()) == ["y"]
