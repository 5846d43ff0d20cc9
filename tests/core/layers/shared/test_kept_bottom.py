"""The copy of the bottom that a layer takes in place, for its gradient: only where a backward pass can run."""

import numpy as np
import pytest

from caffelite.core.layer import setup_layer
from caffelite.core.layers.shared.kept_bottom import KeptBottom
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net
from caffelite.testing import blob_of, layer_from, run_forward

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4, 5))
IN_PLACE = [
    'type: "Swish"',
    'type: "BatchNorm" batch_norm_param { use_global_stats: false }',
    'type: "Scale" scale_param { filler { value: 3 } bias_term: true }',
    'type: "PReLU"',
    'type: "MVN"',
    'type: "ReLU" relu_param { negative_slope: -0.5 }',
]
LRN = 'type: "LRN" lrn_param { local_size: 3 }'


@pytest.fixture
def asked(monkeypatch):
    """Arrays that layers were told to keep the bottom in, in the order of asking."""
    arrays = []
    data = KeptBottom.data

    def note(kept, bottom, shape=None):
        arrays.append(data(kept, bottom, shape))
        return arrays[-1]

    monkeypatch.setattr(KeptBottom, "data", note)
    return arrays


def in_place(text, need_backward, dtype):
    """Run a layer of the TEST phase on its own bottom; return that."""
    layer, blob = layer_from(text + " phase: TEST", dtype), blob_of(VALUES, dtype)
    setup_layer(layer, [blob], [blob])
    layer.need_backward = need_backward
    layer.forward([blob], [blob])
    return blob


@pytest.mark.parametrize("text", [*IN_PLACE, LRN])
def test_the_top_is_the_same_without_a_backward_pass(text, dtype):
    want = run_forward(text + " phase: TEST", blob_of(VALUES, dtype))
    for need_backward in (True, False):
        np.testing.assert_array_equal(in_place(text, need_backward, dtype).data, want.data)


@pytest.mark.parametrize("text", IN_PLACE)
def test_a_copy_is_taken_only_for_a_backward_pass(text, dtype, asked):
    blob = in_place(text, False, dtype)
    assert asked and all(np.shares_memory(array, blob.data) for array in asked)
    blob = in_place(text, True, dtype)
    assert not np.shares_memory(asked[-1], blob.data)
    np.testing.assert_array_equal(asked[-1].reshape(VALUES.shape), VALUES.astype(dtype))


@pytest.mark.parametrize("loss", [False, True])
def test_the_net_says_whether_a_backward_pass_runs_the_layer(tmp_path, loss):
    text = """
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "scale" type: "Scale" bottom: "data" top: "data" }
        layer { name: "sum" type: "Reduction" bottom: "data" top: "sum" %s }
    """
    path = tmp_path / "net.prototxt"
    path.write_text(text % ("loss_weight: 1" if loss else ""))
    net = Net(str(path), caffe_pb2.TEST)
    assert [layer.need_backward for layer in net.layers] == [False, loss, loss]
