import logging

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import WeightsError
from caffelite.core.net.share_layers import share_trained_layers
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net
from caffelite.testing import blob_of, layer_from, set_up


def ip(name, num_output=2, bias=True):
    bias_term = "true" if bias else "false"
    layer = layer_from(
        f'type: "InnerProduct" inner_product_param {{ num_output: {num_output} bias_term: {bias_term} }}', name=name
    )
    set_up(layer, [blob_of(np.ones((1, 3)))])
    return layer


def test_values_are_shared_by_name_and_gradients_are_not(caplog):
    caplog.set_level(logging.INFO, "caffelite")
    target, source = ip("a"), ip("a")
    source.blobs[0].data[...] = 5
    share_trained_layers([target, ip("own")], [source, ip("other")])
    assert np.shares_memory(target.blobs[0].data, source.blobs[0].data)
    assert not np.shares_memory(target.blobs[0].diff, source.blobs[0].diff)
    assert (target.blobs[0].data == 5).all()
    assert caplog.messages == ["Ignoring source layer other"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (ip("a", num_output=4), r"Cannot share param 0 weights from layer 'a'; shape mismatch\.  "
                                r"Source param shape is 4 3 \(12\); target param shape is 2 3 \(6\)"),
        (ip("a", bias=False), "Incompatible number of blobs for layer a: the source has 1, the target 2"),
    ],
)  # fmt: skip
def test_other_parameters_are_refused(source, message):
    with pytest.raises(WeightsError, match=message):
        share_trained_layers([ip("a")], [source])


def test_of_equal_names_each_layer_shares_with_its_own():
    first, second, source, other = ip("a"), ip("a"), ip("a"), ip("a")
    share_trained_layers([first, second], [source])
    assert np.shares_memory(first.blobs[0].data, source.blobs[0].data)
    assert not np.shares_memory(second.blobs[0].data, source.blobs[0].data)
    share_trained_layers([first, second], [source, other])
    assert np.shares_memory(first.blobs[0].data, source.blobs[0].data)
    assert np.shares_memory(second.blobs[0].data, other.blobs[0].data)


def test_nets_of_other_number_types_are_refused_before_anything_is_shared(tiny_net):
    param = text_format.Parse(tiny_net, caffe_pb2.NetParameter())
    single, double = (Net(param, caffelite.TEST, dtype=dtype) for dtype in (np.float32, np.float64))
    with pytest.raises(WeightsError, match="^a net of float64 numbers cannot share parameters with one of float32"):
        double.share_with(single)
    assert double.params["innerproduct"][0].data.dtype == np.float64
