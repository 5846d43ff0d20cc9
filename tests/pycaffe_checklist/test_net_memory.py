"""Net's weights and memory, and MemoryData: sections 2.6 to 2.8 of pycaffe's specification."""

import numpy as np
import pytest

import caffelite

DEPLOY = """name: 'deploy' input: 'data' input_shape { dim: 4 dim: 3 }
layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip'
  inner_product_param { num_output: 2 weight_filler { type: 'xavier' } } }
layer { name: 'relu' type: 'ReLU' bottom: 'ip' top: 'ip' }
layer { name: 'prob' type: 'Softmax' bottom: 'ip' top: 'prob' }
"""


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
