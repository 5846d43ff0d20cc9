"""What the total loss of a net is, and that its gradient is the derivative of it, whoever reads a loss besides."""

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net

# The loss is 4.5, its gradient in the bias 3.
EUCLIDEAN = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 4 dim: 3 } shape { dim: 4 dim: 1 }
  data_filler { type: "constant" value: 1 } data_filler { type: "constant" value: 0 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 1 weight_filler { type: "constant" value: 1 } } }
layer { name: "l" type: "EuclideanLoss" bottom: "ip" bottom: "label" top: "l" %s }
"""
POWER = 'layer { name: "p" type: "Power" bottom: "l" top: "p" %s }'


def net_of(text):
    return Net(text_format.Parse(text, caffe_pb2.NetParameter()), caffelite.TRAIN, dtype=np.float64)


def losses_and_gradient(net, param):
    """The losses of two passes, and the gradient that the one backward pass between them gives."""
    net.clear_param_diffs()
    first = net.forward_pass()
    net.backward_pass()
    gradient = param.diff.copy()
    return [first, net.forward_pass()], gradient


@pytest.mark.parametrize(
    ("weight", "reader", "total", "gradient"),
    [
        ("", "", 4.5, 3),
        ("loss_weight: 1", "", 4.5, 3),
        ("", POWER % "", 4.5, 3),
        ("", 'layer { name: "s" type: "Silence" bottom: "l" }', 4.5, 3),
        ("", POWER % "loss_weight: 10", 49.5, 33),
        ("loss_weight: 1", POWER % "", 4.5, 3),
        ("loss_weight: 1", POWER % "loss_weight: 10", 49.5, 33),
        ("loss_weight: 0.5", POWER % "", 2.25, 1.5),
        ("loss_weight: 0", POWER % "loss_weight: 2", 9, 6),
    ],
)
def test_a_loss_that_another_layer_reads(weight, reader, total, gradient):
    net = net_of(EUCLIDEAN % weight + reader)
    losses, bias_diff = losses_and_gradient(net, net.params["ip"][1])
    assert losses == pytest.approx([total, total])
    assert bias_diff == pytest.approx(gradient)


def test_weighted_parts_of_a_slice_count_once_though_one_is_used_again():
    net = net_of(
        """
        layer { name: "data" type: "DummyData" top: "data" dummy_data_param {
          shape { dim: 4 dim: 3 } data_filler { type: "constant" value: 1 } } }
        layer { name: "slice" type: "Slice" bottom: "data" top: "a" top: "b" loss_weight: 1 loss_weight: 10
          slice_param { slice_point: 1 } }
        layer { name: "p" type: "Power" bottom: "a" top: "p" }
        """
    )
    assert [net.forward_pass() for _ in range(2)] == [84, 84]


def test_a_weighted_top_that_is_no_loss():
    net = net_of(
        """
        force_backward: true
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "p" type: "Power" bottom: "x" top: "p" power_param { scale: 2 } loss_weight: -0.5 }
        """
    )
    net.blobs["x"].data[...] = np.arange(1, 7).reshape(2, 3)
    assert net.forward_pass() == -21
    net.backward_pass()
    assert (net.blobs["x"].diff == -1).all()


def test_a_weighted_top_keeps_its_weight_when_it_grows():
    net = net_of(
        """
        force_backward: true
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "p" type: "Power" bottom: "x" top: "p" loss_weight: 1 }
        """
    )
    for size, loss in ((2, 6), (1, 3), (4, 12)):
        net.blobs["x"].reshape(size, 3)
        net.blobs["x"].data[...] = 1
        assert net.forward_pass() == loss
        net.backward_pass()
        assert (net.blobs["x"].diff == 1).all()


def test_a_loss_without_a_top_counts_and_is_no_output():
    net = net_of(
        """
        layer { name: "x" type: "DummyData" top: "x" top: "t"
          dummy_data_param { shape { dim: 2 dim: 4 } shape { dim: 2 } } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" }
        """
    )
    assert net.forward_pass() == pytest.approx(np.log(4))
    assert net.outputs == []


@pytest.mark.parametrize("weights", ["", "loss_weight: 1 loss_weight: 0"])
def test_a_loss_with_a_second_top(weights):
    net = net_of(
        f"""
        layer {{ name: "x" type: "DummyData" top: "x" top: "t"
          dummy_data_param {{ shape {{ dim: 2 dim: 4 }} shape {{ dim: 2 }} }} }}
        layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "loss" top: "prob" {weights} }}
        """
    )
    assert net.forward_pass() == pytest.approx(np.log(4))
    assert (net.blobs["prob"].data == 0.25).all()


CHAIN = """
layer { name: "x" type: "Input" top: "x" top: "t" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "ip1" type: "InnerProduct" bottom: "x" top: "ip1"
  inner_product_param { num_output: 2 weight_filler { type: "constant" value: 1 } } }
%s
layer { name: "ip2" type: "InnerProduct" bottom: "flat" top: "ip2"
  inner_product_param { num_output: 2 weight_filler { type: "constant" value: 1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip2" bottom: "t" top: "loss" }
"""
RESHAPE = """layer { name: "r" type: "Reshape" bottom: "ip1" top: "r"
  reshape_param { shape { dim: 0 dim: 2 dim: 1 } } }"""
CONCAT = 'layer { name: "r" type: "Concat" bottom: "ip1" top: "r" }'
SLICE = 'layer { name: "r" type: "Slice" bottom: "ip1" top: "r" }'
FLATTEN = 'layer { name: "flat" type: "Flatten" bottom: "r" top: "flat" }'


@pytest.mark.parametrize("below", [RESHAPE, CONCAT, SLICE])
def test_gradients_pass_through_layers_that_share_memory(below):
    net = net_of(CHAIN % (below + FLATTEN))
    net.blobs["x"].data[...] = [[1, 2]]
    net.clear_param_diffs()
    assert net.forward_pass() == 36
    net.backward_pass()
    np.testing.assert_array_equal(net.params["ip1"][0].diff, [[12, 24], [12, 24]])
    np.testing.assert_array_equal(net.params["ip2"][0].diff, [[18, 18], [18, 18]])


FILTERED = """
layer { name: "x" type: "Input" top: "x" top: "t" top: "keep" input_param {
  shape { dim: 4 dim: 2 dim: 6 dim: 6 } shape { dim: 4 } shape { dim: 4 } } }
layer { name: "pre" type: "Convolution" bottom: "x" top: "pre"
  convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "filter" type: "Filter" bottom: "pre" bottom: "keep" top: "some" }
layer { name: "labels" type: "Filter" bottom: "t" bottom: "keep" top: "labels" }
layer { name: "pool" type: "Pooling" bottom: "some" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "relu" type: "ReLU" bottom: "pool" top: "pool" }
layer { name: "conv" type: "Convolution" bottom: "pool" top: "conv"
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "labels" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "labels" top: "accuracy" }
"""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layers_above_a_filter_take_any_number_of_items(dtype):
    net = Net(text_format.Parse(FILTERED, caffe_pb2.NetParameter()), caffelite.TRAIN, dtype=dtype, seed=1701)
    net.blobs["x"].data[...] = np.random.default_rng(1).normal(size=(4, 2, 6, 6))
    for keep in ([1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]):
        net.blobs["keep"].data[...] = keep
        net.clear_param_diffs()
        loss = net.forward_pass()
        net.backward_pass()
        gradients = [blob.diff.any() for blobs in net.params.values() for blob in blobs]
        assert net.blobs["ip"].shape == (sum(keep), 3)
        assert (loss > 0, any(gradients)) == (any(keep), any(keep))
