import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import LayerError
from caffelite.proto.caffe_pb2 import NetParameter
from caffelite.testing import layer_from, set_up


def indicator(fields):
    return f'type: "ContinuationIndicator" continuation_indicator_param {{ {fields} }}'


def test_values(dtype):
    layer = layer_from(indicator("time_step: 3 batch_size: 2"), dtype)
    top = set_up(layer, [])
    layer.forward([], top)
    np.testing.assert_array_equal(top[0].data, [[0, 0], [1, 1], [1, 1]])


def test_one_step_is_a_beginning():
    layer = layer_from(indicator("time_step: 1 batch_size: 2"))
    top = set_up(layer, [])
    layer.forward([], top)
    np.testing.assert_array_equal(top[0].data, [[0, 0]])


NET = """
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 3 dim: 2 dim: 4 }} }} }}
layer {{ name: "cont" top: "cont" {} }}
layer {{ name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "y"
        recurrent_param {{ num_output: 5 weight_filler {{ type: "xavier" }} }} }}
"""


def test_an_lstm_of_it_forgets_the_last_batch():
    text = NET.format(indicator("time_step: 3 batch_size: 2"))
    net = caffelite.Net(text_format.Parse(text, NetParameter()), caffelite.TRAIN)
    net.blobs["x"].data[...] = np.random.default_rng(1).normal(size=(3, 2, 4))
    first, second = (net.forward()["y"].copy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    net.backward()
    assert first.any()


@pytest.mark.parametrize(("fields", "name"), [("time_step: 3", "batch_size"), ("batch_size: 3", "time_step")])
def test_refusals(fields, name):
    with pytest.raises(LayerError, match=rf"continuation_indicator_param\.{name} is 0; give it; use 1 or more"):
        set_up(layer_from(indicator(fields)), [])
