"""What Caffe's own tests of Net assert (section 7 of pycaffe's specification), and what scripts do with nets."""

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

DEPLOY = """name: 'deploy' input: 'data' input_shape { dim: 4 dim: 3 }
layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip'
  inner_product_param { num_output: 2 weight_filler { type: 'xavier' } } }
layer { name: 'relu' type: 'ReLU' bottom: 'ip' top: 'ip' }
layer { name: 'prob' type: 'Softmax' bottom: 'ip' top: 'prob' }
"""
LINEAR = "force_backward: true " + DEPLOY.replace("layer { name: 'relu' type: 'ReLU' bottom: 'ip' top: 'ip' }", "")
LOSS = """input: 'x' input_shape { dim: 2 dim: 3 } input: 't' input_shape { dim: 2 dim: 3 } force_backward: true
layer { name: 'loss' type: 'EuclideanLoss' bottom: 'x' bottom: 't' top: 'loss' loss_weight: 3 }
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


# Forward and backward (sections 2.3, 2.4)


def test_forward_by_number_returns_the_weighted_loss(net_of):
    net = net_of(LOSS)
    net.blobs["x"].data[...] = [[1, 2, 3], [0, 0, 0]]
    loss = net._forward(0, len(net.layers) - 1)
    assert type(loss) is float and loss == pytest.approx(3 * 14 / 4)
    assert float(net.blobs["loss"].data) == pytest.approx(14 / 4)
    assert net._backward(len(net.layers) - 1, 0) is None
    np.testing.assert_allclose(net.blobs["x"].diff, 3 * net.blobs["x"].data / 2)


def test_the_diff_of_a_loss_is_its_weight_from_the_start_and_may_be_changed(net_of):
    net = net_of(LOSS)
    assert net.blobs["loss"].diff == 3
    net.blobs["x"].data[...] = 1
    net.blobs["loss"].diff[...] = 5
    net.forward()
    np.testing.assert_allclose(net.backward()["x"], np.full((2, 3), 5 / 2))


def test_scalar_outputs_are_arrays_without_axes(net_of):
    out = net_of(LOSS).forward()["loss"]
    assert (out.shape, out.dtype, 0 + out, f"{out:.3f}") == ((), np.float32, 0, "0.000")
    seen = np.ones(2)
    seen[1] = out
    assert seen.tolist() == [1, 0]


def test_results_are_views_that_the_next_pass_overwrites(net_of):
    net = net_of(DEPLOY)
    out = net.forward(data=np.ones((4, 3)))["prob"]
    before = out.copy()
    net.forward(data=np.full((4, 3), -5.0))
    assert np.shares_memory(out, net.blobs["prob"].data) and not np.array_equal(out, before)


def test_names_of_layers_and_blobs_are_checked(net_of):
    net = net_of(DEPLOY)
    for options in ({"start": "nope"}, {"end": "nope"}):
        with pytest.raises(ValueError, match="nope"):
            net.forward(**options)
        with pytest.raises(ValueError, match="nope"):
            net.backward(**options)
    for names in (("ip",), "ip"):
        with pytest.raises(TypeError):
            net.forward(blobs=names)
        with pytest.raises(TypeError):
            net.backward(diffs=names)
    with pytest.raises(KeyError):
        net.forward(["nope"])
    with pytest.raises(KeyError):
        net.backward(["nope"])
    assert set(net.forward(["data"])) == {"data", "prob"} and list(net.forward(start="prob", end="ip")) == ["ip"]


@pytest.mark.parametrize("arrays", [{"nope": np.ones((4, 3))}, {"data": np.ones((3, 3))}, {"data": np.float32(1)}])
def test_inputs_are_checked(net_of, arrays):
    with pytest.raises(CaffeliteError):
        net_of(DEPLOY).forward(**arrays)


def test_deep_dream(net_of):
    """Forward to a layer, set its diff, backward from there, read the input's diff."""
    net = net_of("force_backward: true " + DEPLOY)
    net.blobs["data"].data[...] = 1
    net.forward(end="ip")
    net.blobs["ip"].diff[:] = 1
    net.backward(start="ip")
    np.testing.assert_allclose(net.blobs["data"].diff[0], net.params["ip"][0].data.sum(0), rtol=1e-6)


def test_a_net_without_loss_runs_nothing_backward(net_of, caplog):
    net = net_of(DEPLOY)
    net.forward()
    net.blobs["prob"].diff[...] = 1
    net.backward()
    assert not net.blobs["data"].diff.any() and "runs no layer" in caplog.text


def test_callbacks_come_in_order_and_exceptions_come_through(net_of):
    net = net_of(DEPLOY)
    seen = []
    net.before_forward(lambda layer: seen.append(("first", layer)))
    net.before_forward(lambda layer: seen.append(("second", layer)))
    net.after_forward(lambda layer: seen.append(("after", layer)))
    net.forward(start="ip", end="relu")
    assert seen == [(what, layer) for layer in (1, 2) for what in ("first", "second", "after")]

    def fail(layer):
        raise LookupError(layer)

    net.before_backward(fail)
    with pytest.raises(LookupError, match="3"):
        net.backward()
    with pytest.raises(TypeError, match="before_forward takes a function of the layer's number, not 3"):
        net.before_forward(3)


# Batches (section 2.5)


@pytest.mark.parametrize("rows", [10, 4, 3])
def test_forward_all(net_of, rows):
    net = net_of(DEPLOY)
    values = np.random.default_rng(4).normal(size=(rows, 3))  # float64
    ip = np.maximum(values @ net.params["ip"][0].data.T, 0)
    out = net.forward_all(["ip"], data=values)
    assert set(out) == {"prob", "ip"} and out["prob"].shape == (rows, 2) and out["prob"].dtype == np.float32
    np.testing.assert_allclose(out["ip"], ip, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out["prob"], np.exp(ip) / np.exp(ip).sum(1, keepdims=True), rtol=1e-5)
    assert not np.shares_memory(out["prob"], net.blobs["prob"].data)


def test_forward_backward_all(net_of):
    net = net_of(LINEAR)
    rng = np.random.default_rng(5)
    values, gradients = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    outs, diffs = net.forward_backward_all(["ip"], ["ip"], data=values, prob=gradients)
    weights = net.params["ip"][0].data
    prob = np.exp(values @ weights.T) / np.exp(values @ weights.T).sum(1, keepdims=True)
    at_ip = prob * (gradients - (prob * gradients).sum(1, keepdims=True))
    assert (set(outs), set(diffs)) == ({"ip", "prob"}, {"ip", "data"})
    np.testing.assert_allclose(outs["prob"], prob, rtol=1e-5)
    np.testing.assert_allclose(diffs["ip"], at_ip, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(diffs["data"], at_ip @ weights, rtol=1e-4, atol=1e-6)


def test_forward_backward_all_with_what_is_filled_already(net_of):
    """Pycaffe raises StopIteration where the arrays of one direction are left out; meant is: use what is there."""
    net = net_of(LINEAR)
    net.blobs["prob"].diff[...] = [1, -1]
    outs, diffs = net.forward_backward_all(data=np.ones((4, 3)))
    assert outs["prob"].shape == (4, 2) and diffs["data"].shape == (4, 3) and diffs["data"].any()
    outs, diffs = net.forward_backward_all(prob=np.zeros((4, 2)))
    assert outs["prob"].shape == (4, 2) and not diffs["data"].any()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "give an array for each input"),
        ({"nope": np.ones((4, 3))}, "are not for blobs of one batch size"),
        ({"data": np.ones((0, 3))}, "the arrays must have rows"),
        ({"data": np.float32(3)}, "the arrays must have rows"),
    ],
)
def test_forward_all_refuses(net_of, arrays, message):
    with pytest.raises(CaffeliteError, match=message):
        net_of(DEPLOY).forward_all(**arrays)


def test_rows_of_a_loss_cannot_be_collected(net_of):
    net = net_of(LOSS)
    with pytest.raises(CaffeliteError, match=r'blob "loss" of shape \(\) has no row for each of the 2 of a batch'):
        net.forward_all(x=np.ones((4, 3)), t=np.ones((4, 3)))
    with pytest.raises(CaffeliteError, match="equally many; given: x 4, t 3"):
        net.forward_all(x=np.ones((4, 3)), t=np.ones((3, 3)))
    with pytest.raises(CaffeliteError, match=r"y: neither inputs \(x, t\) nor outputs \(loss\)"):
        net.forward_backward_all(y=np.ones((4, 3)))


# Weights (section 2.6) and memory (section 2.7)


def test_share_with_shares_values_and_not_gradients(net, net_file):
    other = caffelite.Net(net_file, caffelite.TRAIN)
    assert other.share_with(net) is None
    net.params["conv"][0].data[0, 0, 0, 0] = 7
    net.params["conv"][0].diff[...] = 1
    assert other.params["conv"][0].data[0, 0, 0, 0] == 7 and not other.params["conv"][0].diff.any()
    with pytest.raises(TypeError, match="share_with takes another Net, not 'x'"):
        other.share_with("x")


def test_copy_from_fills_the_memory_that_is_shared(net, net_file, tmp_path):
    net.save(tmp_path / "w.caffemodel")
    kept = net.params["ip"][0].data.copy()
    other = caffelite.Net(net_file, caffelite.TRAIN)
    view = other.params["ip"][0].data
    other.copy_from(str(tmp_path / "w.caffemodel"))
    np.testing.assert_array_equal(view, kept)


def test_old_shapes_in_a_file_match(net_of, tmp_path):
    """Before 2014 an InnerProduct's weights were 1 x 1 x M x N and its bias 1 x 1 x 1 x N."""
    net = net_of(DEPLOY.replace("num_output: 2", "num_output: 2 bias_filler { type: 'constant' value: 1 }"))
    old = net.to_proto()
    weights, bias = old.layer[1].blobs
    for blob, height, width in ((weights, 2, 3), (bias, 1, 2)):
        blob.ClearField("shape")
        blob.num, blob.channels, blob.height, blob.width = 1, 1, height, width
    weights.data[:] = range(6)
    bias.ClearField("data")
    bias.double_data[:] = [8, 9]
    (tmp_path / "old.caffemodel").write_bytes(old.SerializeToString())
    net.copy_from(tmp_path / "old.caffemodel")
    assert net.params["ip"][0].data.tolist() == [[0, 1, 2], [3, 4, 5]] and net.params["ip"][1].data.tolist() == [8, 9]


def test_a_view_stays_live_and_reshapes_keep_the_memory(net_of):
    net = net_of(DEPLOY)
    blob = net.blobs["data"]
    view = blob.data
    view[...] = np.arange(12).reshape(4, 3)
    blob.reshape(*np.array([2, 3]))
    assert blob.data.tolist() == [[0, 1, 2], [3, 4, 5]] and np.shares_memory(view, blob.data)
    assert net.forward()["prob"].shape == (2, 2)  # without net.reshape()
    blob.reshape(4, 3)
    assert blob.data[3, 2] == 11
    blob.reshape(5, 3)
    net.reshape()
    assert not blob.data.any() and view[3, 2] == 11 and net.blobs["prob"].shape == (5, 2)


def test_blobs_as_scripts_use_them(net_of):
    blob = net_of(DEPLOY).blobs["data"]
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (4, 3, 1, 1, 12)
    assert (list(blob.shape), blob.shape[0], np.zeros(blob.shape).shape) == ([4, 3], 4, (4, 3))
    assert blob.data.dtype == np.float32 and blob.data.flags.c_contiguous and not blob.data.flags.owndata
    for part in ("data", "diff"):
        with pytest.raises(AttributeError, match=rf"a blob is filled, not replaced: write blob\.{part}\[\.\.\.\] = v"):
            setattr(blob, part, np.ones((4, 3)))
    blob.reshape()
    assert (blob.num, blob.width, blob.data.shape) == (1, 1, ())
    for wrong in (([4, 3],), (2.0,)):
        with pytest.raises(TypeError):
            blob.reshape(*wrong)


def test_parameters_of_one_name_are_one(net_of):
    layer = (
        "layer { name: '%s' type: 'InnerProduct' bottom: 'data' top: '%s' param { name: 'w' } "
        "inner_product_param { num_output: 2 bias_term: false weight_filler { type: 'xavier' } } }"
    )
    net = net_of("input: 'data' input_shape { dim: 4 dim: 3 }" + layer % ("a", "a") + layer % ("b", "b"))
    for part in ("data", "diff"):
        assert np.shares_memory(getattr(net.params["a"][0], part), getattr(net.params["b"][0], part))


# MemoryData (section 2.8)

MEMORY = """layer { name: 'data' type: 'MemoryData' top: 'data' top: 'label'
  memory_data_param { batch_size: 2 channels: 1 height: 3 width: 4 } }"""


def of(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def test_set_input_arrays_deals_out_the_users_arrays(net_of):
    net = net_of(MEMORY)
    data, labels = np.arange(48, dtype=np.float32).reshape(4, 1, 3, 4), np.arange(4, dtype=np.float32)
    assert net.blobs["label"].shape == (2,)
    net.set_input_arrays(data, labels)
    seen = []
    for _ in range(3):
        out = net.forward()
        seen.append(out["label"].ravel().tolist())
        assert np.shares_memory(out["data"], data) and out["label"].shape == (2, 1, 1, 1)
    assert seen == [[0, 1], [2, 3], [0, 1]]


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        (of(4, 1, 3, 8)[..., ::2], of(4), "data array is not C contiguous"),
        (of(4, 12), of(4), "data array .* must be 4-d"),
        (of(4, 1, 3, 4, dtype=np.float64), of(4), "data array is float64; must be float32"),
        (of(4, 2, 3, 4), of(4), "data array .* wrong number of channels"),
        (of(4, 1, 2, 4), of(4), "data array .* wrong number of height"),
        (of(4, 1, 3, 5), of(4), "data array .* wrong number of width"),
        (of(4, 1, 3, 4), of(8)[::2], "labels array is not C contiguous"),
        (of(4, 1, 3, 4), of(4, 1), "labels array .* must be 4-d"),
        (of(4, 1, 3, 4), of(4, dtype=np.int64), "labels array is int64; must be float32"),
        (of(4, 1, 3, 4), of(4, 2, 1, 1), "labels array .* one label an item"),
        (of(4, 1, 3, 4), of(2), "must have the same first dimension"),
        (of(3, 1, 3, 4), of(3), "must be a multiple of the batch size"),
    ],
)
def test_set_input_arrays_refuses(net_of, data, labels, message):
    with pytest.raises(RuntimeError, match=message):
        net_of(MEMORY).set_input_arrays(data, labels)


def test_set_input_arrays_needs_such_a_layer(net):
    with pytest.raises(RuntimeError, match="the first layer of net .testnet. must be of type MemoryData"):
        net.set_input_arrays(of(4, 1, 3, 4), of(4))
