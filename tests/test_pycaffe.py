"""The net as pycaffe's users see it: names, inputs and outputs, constructor forms, callbacks."""

import copy
import pickle

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import CopyError, UsageError
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net

RESHAPED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 100 dim: 100 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 5 kernel_size: 3
  stride: 2 weight_filler { type: "gaussian" std: 0.01 } bias_filler { type: "constant" value: 0.2 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1" lrn_param { local_size: 3 } }
layer { name: "softmax" type: "Softmax" bottom: "norm1" top: "softmax" }
"""


def net_of(text, phase=caffelite.TEST):
    return Net(text_format.Parse(text, caffe_pb2.NetParameter()), phase, seed=1701)


def test_names_and_order(tiny_net):
    net = net_of(tiny_net)
    assert list(net.blobs) == ["data", "label", "innerproduct", "top_loss"]
    assert net.layer_names == ["data", "innerproduct", "loss"]
    assert net.outputs == ["top_loss"]
    assert net.blob_loss_weights["top_loss"] == 1
    assert list(net.params) == ["innerproduct"]
    assert net.top_names["data"] == ["data", "label"]
    assert net.bottom_names["loss"] == ["innerproduct", "label"]


def test_reshaping_the_input_reshapes_the_net():
    net = net_of(RESHAPED)
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=shape) for shape in ((2, 3, 12, 10), (4, 3, 9, 11))]
    seen = {}
    for index in (0, 1, 0, 1):
        net.blobs["data"].reshape(*inputs[index].shape)
        out = net.forward(data=inputs[index])["softmax"].copy()
        net.backward()
        assert out.shape == ((2, 5, 3, 2), (4, 5, 2, 3))[index]
        np.testing.assert_array_equal(out, seen.setdefault(index, out))


def test_all_in_one_net_chooses_its_layers_by_phase_and_stage(tmp_path):
    file = tmp_path / "all.prototxt"
    file.write_text(
        """
        layer { name: "train-data" type: "DummyData" top: "data" top: "label" include { phase: TRAIN stage: "train" }
          dummy_data_param { shape { dim: 1 dim: 10 } shape { dim: 1 dim: 1 } } }
        layer { name: "val-data" type: "DummyData" top: "data" top: "label" include { phase: TEST stage: "val" }
          dummy_data_param { shape { dim: 1 dim: 10 } shape { dim: 1 dim: 1 } } }
        layer { name: "deploy-data" type: "Input" top: "data" include { phase: TEST stage: "deploy" }
          input_param { shape { dim: 1 dim: 10 } } }
        layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss"
          include { phase: TRAIN stage: "train" } include { phase: TEST stage: "val" } }
        """
    )
    assert Net(file, caffelite.TRAIN, stages=["train"]).layer_names == ["train-data", "ip", "loss"]
    assert Net(str(file), caffelite.TEST, stages=["val"]).layer_names == ["val-data", "ip", "loss"]
    assert Net(file, caffelite.TEST, 0, ["deploy"]).layer_names == ["deploy-data", "ip"]


def test_forward_takes_inputs_and_names_of_layers_and_blobs():
    net = net_of(RESHAPED)
    net.blobs["data"].reshape(2, 3, 12, 10)
    batch = np.ones((2, 3, 12, 10))
    out = net.forward(blobs=["pool1"], end="norm1", data=batch)
    assert set(out) == {"norm1", "pool1"}
    assert np.shares_memory(out["pool1"], net.blobs["pool1"].data)
    with pytest.raises(UsageError, match=r"the arrays given \(image\) are not the inputs \(data\)"):
        net.forward(image=batch)
    with pytest.raises(KeyError, match='no blob "pol1"; did you mean "pool1"'):
        net.forward(blobs=["pol1"])
    with pytest.raises(ValueError, match='no layer "norm"; did you mean "norm1"'):
        net.forward(end="norm")
    with pytest.raises(TypeError, match="come as a list"):
        net.forward(blobs="pool1")


def test_callbacks_see_every_layer_also_those_that_do_not_run_backward(tiny_net):
    net = net_of(tiny_net, caffelite.TRAIN)
    seen = []
    for event in ("before_forward", "after_forward", "before_backward", "after_backward"):
        net.add_callback(event, lambda index, event=event: seen.append((event, index)))
    net.forward_pass()
    net.backward_pass()
    assert seen[:2] == [("before_forward", 0), ("after_forward", 0)]
    assert [index for event, index in seen if event == "before_backward"] == [2, 1, 0]


def test_phase_and_file_are_checked(tmp_path):
    with pytest.raises(TypeError, match=r"phase is caffelite.TRAIN or caffelite.TEST"):
        Net(tmp_path / "net.prototxt", 7)
    with pytest.raises(RuntimeError, match="net.prototxt"):
        Net(tmp_path / "net.prototxt", caffelite.TEST)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"stages": [1]}, TypeError, r"stages is a list of names, not \[1\]"),
        ({"seed": 1.5}, TypeError, "'float' object cannot be interpreted as an integer"),
        ({"seed": -1}, OverflowError, "the random seed is -1; use 0 or more"),
        ({"file": ""}, RuntimeError, "the name of the net's file is empty"),
    ],
)
def test_odd_arguments_are_refused(tiny_net, given, error, message):
    file = given.pop("file", text_format.Parse(tiny_net, caffe_pb2.NetParameter()))
    with pytest.raises(error, match=message):
        Net(file, caffelite.TEST, **given)


@pytest.mark.parametrize("values", [[["a", "b"]], [[1, 2], [3]], [[1j, 0]], [[object(), 1]]])
def test_what_is_no_array_of_numbers_is_refused_with_the_blobs_name(values):
    net = net_of('layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }')
    with pytest.raises(UsageError, match='^the array for "x" does not hold real numbers: '):
        net.forward(x=values)


def test_names_of_other_kinds_are_refused(tiny_net):
    net = net_of(tiny_net)
    for name in (1, b"data"):
        with pytest.raises(ValueError, match="^start and end are names of layers, not "):
            net.forward(start=name)
    for blobs in ({"data"}, iter(["data"]), np.array(["data", "label"])):
        with pytest.raises(TypeError, match="^the names of blobs come as a list, not as "):
            net.forward(blobs=blobs)


def test_nobody_observes_a_plan_until_there_is_a_callback(tiny_net):
    net = net_of(tiny_net)
    assert net.plan.observers == []
    net.after_forward(print)
    assert len(net.plan.observers) == 1
    net.debug_info = True
    net.debug_info = False
    assert len(net.plan.observers) == 1


CROPPED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 6 dim: 6 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 2 kernel_size: 3
  weight_filler { type: "gaussian" std: 1 } } }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2" convolution_param { num_output: 1 kernel_size: 3
  pad: 2 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "crop" type: "Crop" bottom: "conv2" bottom: "data" top: "crop" crop_param { axis: 2 offset: 0 } }
"""


@pytest.mark.parametrize("number_type", [np.float32, np.float64])
@pytest.mark.parametrize("watched", [False, True])
def test_a_start_behind_an_inserted_split_computes_from_the_present_data(number_type, watched):
    param = text_format.Parse(CROPPED, caffe_pb2.NetParameter())
    net, whole = (Net(param, caffelite.TEST, dtype=number_type, seed=1) for _ in range(2))
    seen = []
    if watched:
        net.before_forward(seen.append)
    rng = np.random.default_rng(1)
    for shape in ((1, 1, 6, 6), (1, 1, 8, 9), (3, 1, 5, 5), (1, 1, 6, 6), (4, 1, 9, 12)):
        image = rng.normal(size=shape)
        for each in (net, whole):
            each.blobs["data"].reshape(*shape)
            each.blobs["data"].data[...] = image
        expected = whole.forward()["crop"]
        np.testing.assert_array_equal(net.forward(start="conv1")["crop"], expected)
        assert net.blobs["crop"].shape == shape
    assert seen == [2, 3, 4] * 5 * watched  # the Split in front of the start is nobody's layer


def test_a_start_runs_no_split_that_only_layers_behind_the_end_read():
    net = net_of(CROPPED)
    net.forward()
    net.blobs["data"].reshape(1, 1, 8, 9)
    net.forward(start="conv2", end="conv2")
    assert net.blobs["data_data_0_split_1"].shape == (1, 1, 6, 6)
    net.forward(start="conv1")
    assert net.blobs["data_data_0_split_1"].shape == (1, 1, 8, 9)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ((1, 3, 12, 10), "write net.blobs['data'].reshape(1, 3, 12, 10) before this call, or give an array of the"),
        ((2, 3, 12, 11), "write net.blobs['data'].reshape(2, 3, 12, 11) before this call, or give an array of the"),
        ((2, 12, 10, 3), "write net.blobs['data'].reshape(2, 12, 10, 3) before this call, or give an array of the"),
        ((2, 10), "write net.blobs['data'].reshape(2, 10) before this call, or give an array of the"),
        ((), "write net.blobs['data'].reshape() before this call, or give an array of the"),
        (
            (3, 12, 10),
            "the first axis is the batch: write net.blobs['data'].reshape(1, 3, 12, 10) before this call and give "
            "data=values[np.newaxis]",
        ),
    ],
)
def test_an_array_of_another_shape_is_refused_with_both_shapes(given, advice):
    net = net_of(RESHAPED)
    net.blobs["data"].reshape(2, 3, 12, 10)
    net.blobs["data"].data[...] = 1
    with pytest.raises(UsageError) as caught:
        net.forward(data=np.zeros(given))
    assert str(caught.value).startswith(
        f'the array for "data" has the shape {given}, the blob (2, 3, 12, 10): {advice}'
    )
    assert (net.blobs["data"].data == 1).all()


def test_one_image_is_not_repeated_for_each_of_the_batch():
    net = net_of(RESHAPED)
    net.blobs["data"].reshape(3, 3, 12, 10)
    with pytest.raises(UsageError, match=r"the first axis is the batch: .*reshape\(1, 3, 12, 10\).*newaxis"):
        net.forward(data=np.zeros((3, 12, 10)))
    net.blobs["data"].reshape(1, 3, 12, 10)
    with pytest.raises(UsageError, match=r"the first axis is the batch: give data=values\[np\.newaxis\]$"):
        net.forward(data=np.zeros((3, 12, 10)))


def test_arrays_are_repeated_along_axes_of_size_1_and_leading_ones_do_not_count():
    net = net_of(RESHAPED)
    net.forward(data=np.full((1, 1, 100, 100), 2))
    assert (net.blobs["data"].data == 2).all()
    net.blobs["data"].reshape(1, 3, 12, 10)
    net.forward(data=np.full((1, 1, 3, 12, 10), 3))
    assert (net.blobs["data"].data == 3).all()


def test_an_array_that_lacks_axes_of_size_1_is_refused_with_the_reshape_that_it_needs():
    net = net_of(RESHAPED)
    net.blobs["data"].reshape(2, 3, 12, 1)
    with pytest.raises(UsageError, match=r"the blob \(2, 3, 12, 1\): give data=values\.reshape\(2, 3, 12, 1\)$"):
        net.forward(data=np.zeros((2, 3, 12)))


def test_diffs_of_another_shape_are_refused(tiny_net):
    net = net_of(tiny_net)
    with pytest.raises(UsageError, match=r'"top_loss" has the shape \(1,\), the blob \(\): give .*values\.reshape\(\)'):
        net.backward(top_loss=np.ones(1))
    with pytest.raises(UsageError, match=r'"top_loss" has the shape \(2,\), the blob \(\): give one of that shape'):
        net.backward(top_loss=np.ones(2))


def test_a_blobs_name_for_a_layers_is_told_with_the_layers_that_make_it():
    net = net_of(RESHAPED.replace('"norm1"', '"lrn"').replace('top: "pool1"', 'top: "pooled"').replace(
        'bottom: "pool1"', 'bottom: "pooled"'))  # fmt: skip
    for call in (net.forward, net.backward):
        for side in ("start", "end"):
            with pytest.raises(UsageError, match='"pooled": it is a blob, made by layer "pool1"; name the layer'):
                call(**{side: "pooled"})
    with pytest.raises(KeyError, match='no blob "pool1": it is a layer, its tops are pooled'):
        net.forward(blobs=["pool1"])
    net = net_of(RESHAPED.replace('name: "conv1"', 'name: "c"'))
    with pytest.raises(UsageError, match='it is a blob, made by layer "c" and "relu1"; name the layer'):
        net.forward(end="conv1")


INPUT_ONLY = """
name: "plain"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "tanh" type: "TanH" bottom: "data" top: "out" }
"""
LEARNED = (
    INPUT_ONLY
    + """
layer { name: "ip" type: "InnerProduct" bottom: "out" top: "y" loss_weight: 1
  inner_product_param { num_output: 2 weight_filler { type: "constant" value: 0.1 } } }
"""
)


def test_backward_that_runs_no_layer_says_so_once(caplog):
    caplog.set_level("WARNING", "caffelite")
    net = net_of(INPUT_ONLY)
    net.forward()
    for _ in range(2):
        net.backward(out=np.ones((2, 3)))
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith('net "plain": backward() runs no layer, ')
    assert caplog.messages[0].endswith('write "force_backward: true" in the net')
    caplog.clear()
    net_of(INPUT_ONLY + "force_backward: true").backward(out=np.ones((2, 3)))
    net_of(LEARNED).backward()
    net_of(INPUT_ONLY).backward(start="data", end="tanh")
    assert caplog.messages == []


def test_an_inputs_diff_that_nobody_fills_is_told_when_asked_for(caplog):
    caplog.set_level("WARNING", "caffelite")
    net = net_of(LEARNED)
    for _ in range(2):
        net.backward(diffs=["data"])
    assert caplog.messages == [
        'net "plain": backward() fills no diff of the input "data"; write "force_backward: true" in the net'
    ]
    caplog.clear()
    net_of(LEARNED + "force_backward: true").backward(diffs=["data"])
    net.backward(diffs=["y"])
    assert caplog.messages == []


@pytest.mark.parametrize("number_type", [np.float32, np.float64])
def test_parameters_and_blobs_are_filled_and_not_replaced(number_type):
    net = Net(text_format.Parse(LEARNED, caffe_pb2.NetParameter()), caffelite.TEST, dtype=number_type)
    values = np.ones((2, 3))
    fix = r"write net\.params\['ip'\]\[0\]\.data\[\.\.\.\] = values"
    with pytest.raises(TypeError, match=fix):
        net.params["ip"][0] = values
    with pytest.raises(TypeError, match=fix):
        net.params["ip"] = [values]
    with pytest.raises(TypeError, match=fix):
        net.layers[2].blobs[0] = values
    with pytest.raises(TypeError, match=r"write net\.blobs\['data'\]\.data\[\.\.\.\] = values"):
        net.blobs["data"] = values
    with pytest.raises(TypeError):
        net.params.update(ip=[values])
    net.params["ip"][0].data[...] = values
    assert (net.forward(data=np.ones((2, 3)))["y"] > 2).all()


def test_copies_of_blobs_and_parameters_stay_as_they_were_and_nets_refuse(tiny_net):
    net = net_of(tiny_net)
    net.forward()
    params, blobs = copy.deepcopy(net.params), copy.deepcopy(net.blobs)
    kept = net.params["innerproduct"][0].data.copy()
    net.params["innerproduct"][0].data[...] = 0
    np.testing.assert_array_equal(params["innerproduct"][0].data, kept)
    assert blobs["innerproduct"].data.any() and blobs["innerproduct"] is not net.blobs["innerproduct"]
    net.params["innerproduct"][0].data[...] = pickle.loads(pickle.dumps(params))["innerproduct"][0].data
    np.testing.assert_array_equal(net.params["innerproduct"][0].data, kept)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(CopyError, match=r"^a Net cannot be copied or pickled: keep its weights, net\.save\("):
            copied(net)
    assert issubclass(CopyError, RuntimeError) and issubclass(CopyError, TypeError)  # pycaffe's, and Python's


@pytest.mark.parametrize("dtype", [np.float16, None, int, "nonsense", complex])
def test_other_number_types_are_refused(tiny_net, dtype):
    with pytest.raises(UsageError, match=r"^dtype is .*; use np\.float32, or np\.float64 for gradient checks$"):
        Net(text_format.Parse(tiny_net, caffe_pb2.NetParameter()), caffelite.TEST, dtype=dtype)


def test_a_callback_that_cannot_be_called_is_refused_when_it_is_given(tiny_net):
    with pytest.raises(TypeError, match="^a callback is a function, not 3$"):
        net_of(tiny_net).before_forward(3)


def test_a_layer_is_named_not_numbered(tiny_net):
    with pytest.raises(UsageError, match="^start and end are names of layers, not 2; "):
        net_of(tiny_net).forward(start=2)


def test_names_that_are_not_there_are_answered_with_near_ones(tiny_net):
    net = net_of(tiny_net)
    for lookup, text in (
        (lambda: net.blobs["dta"], 'no blob "dta"; did you mean "data"'),
        (lambda: net.params["inerproduct"], 'no layer with parameters "inerproduct"; did you mean "innerproduct"'),
        (lambda: net.layer_dict["los"], 'no layer "los"; did you mean "loss"'),
        (lambda: net.top_names["los"], 'no layer "los"; did you mean "loss"'),
        (lambda: net.bottom_names["los"], 'no layer "los"; did you mean "loss"'),
        (lambda: net.blob_loss_weights["labl"], 'no blob "labl"; did you mean "label"'),
        (lambda: net.add_callback("befor_forward", print), 'no event "befor_forward"; did you mean "before_forward"'),
        (lambda: net.add_callback("x", print), 'no event "x"; use before_forward, after_forward, before_backward or'),
    ):
        with pytest.raises(KeyError, match=f"^{text}"):
            lookup()


def test_text_and_html(tiny_net):
    net = Net(text_format.Parse(tiny_net, caffe_pb2.NetParameter()), caffelite.TRAIN)
    assert repr(net) == '<Net "TinyTestNetwork" (TRAIN): 3 layers, 250 parameters; outputs top_loss>'
    html = net._repr_html_()
    assert "<caption>net &quot;TinyTestNetwork&quot;, TRAIN</caption>" in html
    assert html.count("<tr>") == 4


def test_text_of_a_name_that_would_colour_the_terminal():
    net = Net(caffe_pb2.NetParameter(name="\x1b[31m<i>"), caffelite.TEST)
    assert repr(net) == r'<Net "\x1b[31m<i>" (TEST): 0 layers, 0 parameters>'
    assert "<i>" not in net._repr_html_()


def test_what_a_user_takes_is_a_new_array_each_time():
    net = net_of(RESHAPED)
    assert net.core_layers[1].blobs[0].data is net.core_layers[1].blobs[0].data  # nobody looks, so passes save the view
    for blob in (net.blobs["conv1"], net.params["conv1"][0], net.layers[1].blobs[1]):
        shape = blob.shape
        blob.data.shape = blob.diff.shape = (-1,)
        assert blob.data is not blob.data and blob.data.shape == blob.diff.shape == shape
