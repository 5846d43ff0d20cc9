"""What published scripts and notebooks do with nets (section 8 of pycaffe's specification)."""

import h5py
import numpy as np
import pytest

import caffelite
from caffelite.proto import caffe_pb2

CONV = """name: 'conv' input: 'data' input_shape { dim: 1 dim: 1 dim: 12 dim: 12 }
layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' convolution_param { num_output: 3 kernel_size: 5
  weight_filler { type: 'gaussian' std: 0.01 } bias_filler { type: 'constant' value: 0 } } }
"""
FULL = (
    CONV
    + """layer { name: 'fc' type: 'InnerProduct' bottom: 'conv' top: 'fc' inner_product_param { num_output: 4
  weight_filler { type: 'xavier' } bias_filler { type: 'gaussian' } } }
layer { name: 'prob' type: 'Softmax' bottom: 'fc' top: 'prob' }
"""
)
FULLY_CONVOLUTIONAL = (
    CONV.replace("dim: 12 dim: 12", "dim: 20 dim: 20")
    + """layer { name: 'fc-conv' type: 'Convolution' bottom: 'conv' top: 'fc-conv'
  convolution_param { num_output: 4 kernel_size: 8 } }
layer { name: 'prob' type: 'Softmax' bottom: 'fc-conv' top: 'prob' }
"""
)


def test_filters_are_written_into_views(net_of):
    """Net surgery's first part: filters set by hand, and a view of the output that lives through the next pass."""
    net = net_of(CONV)
    weights, bias = net.params["conv"]
    image = np.random.default_rng(0).normal(size=(1, 1, 9, 9)).astype(np.float32)
    net.blobs["data"].reshape(*image.shape)
    net.blobs["data"].data[...] = image
    net.params["conv"][0].data[1:] = 0
    net.params["conv"][1].data[1] = 1.0
    net.forward()
    conv0 = net.blobs["conv"].data[0, 1]
    assert conv0.shape == (5, 5) and conv0.mean() == 1
    bias.data[1] += 0.5
    net.forward()
    assert conv0.mean() == 1.5
    edges = np.array([[-1, 0, 1]] * 3)
    net.params["conv"][0].data[1, 0, 1:-1, 1:-1] = edges
    net.forward()
    expected = sum(edges[i, j] * image[0, 0, 1 + i : 6 + i, 1 + j : 6 + j] for i in range(3) for j in range(3))
    np.testing.assert_allclose(conv0 - 1.5, expected, rtol=1e-4, atol=1e-5)
    assert weights.data[1, 0, 1, 1] == -1


def test_weights_are_moved_into_a_net_of_other_shapes(net_of):
    """Net surgery's second part: an InnerProduct becomes a convolution, which sees each place of a larger image."""
    full = net_of(FULL)
    whole = net_of(FULLY_CONVOLUTIONAL)
    params = {name: (full.params[name][0].data, full.params[name][1].data) for name in ("conv", "fc")}
    for name, target in (("conv", "conv"), ("fc", "fc-conv")):
        whole.params[target][0].data.flat = params[name][0].flat
        whole.params[target][1].data[...] = params[name][1]
    image = np.random.default_rng(1).normal(size=(1, 1, 20, 20))
    out = whole.forward_all(data=np.asarray(image))
    assert out["prob"].shape == (1, 4, 9, 9)
    patch = full.forward(data=image[:, :, 3:15, 5:17])["prob"][0]
    np.testing.assert_allclose(out["prob"][0, :, 3, 5], patch, rtol=1e-4)
    assert out["prob"][0].argmax(axis=0).shape == (9, 9)


def test_loops_over_a_net(net_of):
    net = net_of(FULL)
    shapes = {name: tuple(blob.data.shape) for name, blob in net.blobs.items()}
    assert shapes == {"data": (1, 1, 12, 12), "conv": (1, 3, 8, 8), "fc": (1, 4), "prob": (1, 4)}
    assert [(name, [p.data.shape for p in params]) for name, params in net.params.items()] == [
        ("conv", [(3, 1, 5, 5), (3,)]),
        ("fc", [(4, 192), (4,)]),
    ]
    counts = {name: len(layer.blobs) for name, layer in zip(net._layer_names, net.layers, strict=True)}
    assert counts == {"input": 0, "conv": 2, "fc": 2, "prob": 0} and len(net.layers) == 4


def test_inputs_of_another_batch(net_of):
    net = net_of(FULL)
    net.blobs["data"].reshape(50, 1, 12, 12)
    net.blobs["data"].data[...] = np.arange(144).reshape(12, 12) / 144
    out = net.forward()
    assert out["prob"].shape == (50, 4) and net.blobs["data"].num == 50
    np.testing.assert_allclose(out["prob"][0], out["prob"][-1], rtol=1e-5)
    assert net.forward(start="fc")["prob"][0].argmax() == out["prob"][0].argmax()
    net.blobs["data"].data[0, ...] = 1
    assert net.blobs["data"].data[0].flat[5] == 1 and net.blobs["conv"].data[:8, 0].shape == (8, 8, 8)


def test_a_net_of_ones_own(tmp_path):
    (tmp_path / "net.prototxt").write_text(FULL)
    path, weights = str(tmp_path / "net.prototxt"), str(tmp_path / "w.caffemodel")
    caffelite.Net(path, caffelite.TEST).save(weights)

    class New(caffelite.Net):
        def __init__(self, model_file, pretrained_file):
            caffelite.Net.__init__(self, model_file, caffelite.TEST, weights=pretrained_file)
            self.crop_dims = np.array(self.blobs[self.inputs[0]].data.shape[2:])

    class Old(caffelite.Net):
        def __init__(self, model_file, pretrained_file):
            caffelite.Net.__init__(self, model_file, pretrained_file, caffelite.TEST)

    new, old = New(path, weights), Old(path, weights)
    assert new.crop_dims.tolist() == [12, 12]
    np.testing.assert_array_equal(new.params["fc"][1].data, old.params["fc"][1].data)


def test_equal_layer_names(net_of):
    """The later layer wins in the dicts, as in pycaffe; the lists have both."""
    layer = "layer { name: 'same' type: 'InnerProduct' bottom: 'x' top: '%s' inner_product_param { num_output: %d } }"
    net = net_of("input: 'x' input_shape { dim: 1 dim: 3 }" + layer % ("a", 1) + layer % ("b", 2))
    assert net.params["same"][0].shape == (2, 3) and net.top_names["same"] == ["b"]
    assert net.layer_dict["same"] is net.layers[3] and list(net._layer_names)[2:] == ["same", "same"]


def test_what_a_caffemodel_holds(net_of, tmp_path):
    net = net_of(FULL + "layer { name: 'more' type: 'Silence' bottom: 'fc' }")
    net.save(tmp_path / "a.caffemodel")
    model = caffe_pb2.NetParameter.FromString((tmp_path / "a.caffemodel").read_bytes())
    assert model.name == "conv" and [layer.name for layer in model.layer] == list(net._layer_names)
    assert {layer.type for layer in model.layer} >= {"Input", "Split"} and {x.phase for x in model.layer} == {1}
    blob = model.layer[1].blobs[0]
    assert list(blob.shape.dim) == [3, 1, 5, 5] and not blob.diff
    np.testing.assert_array_equal(np.reshape(blob.data, (3, 1, 5, 5)), net.params["conv"][0].data)


def test_what_an_hdf5_file_holds(net_of, tmp_path):
    layer = "layer { name: '%s' type: 'InnerProduct' bottom: 'x' top: '%s' param { name: 'w' } %s } }"
    fields = "inner_product_param { num_output: 2 bias_term: false weight_filler { type: 'xavier' }"
    net = net_of("input: 'x' input_shape { dim: 1 dim: 3 }" + layer % ("a", "a", fields) + layer % ("b", "b", fields))
    net.save_hdf5(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert sorted(file["data"]) == sorted(net._layer_names)
        assert list(file["data/a"]) == ["0"] and list(file["data/b"]) == list(file["data/input"]) == []
        assert file["data/a/0"].dtype == np.float32
        np.testing.assert_array_equal(file["data/a/0"], net.params["a"][0].data)


def test_sums_of_outputs(net):
    total = 0
    for _ in range(3):
        total += net.forward()["loss"]
    assert total.shape == () and float(total) > 0
    labels = net.blobs["label"].data.ravel()
    assert 0 <= sum(net.blobs["ip_blob"].data.argmax(1) == labels) <= 5
    assert net.params["conv"][0].diff[:, 0].shape == (11, 2, 2)


@pytest.mark.parametrize("name", ["data", "conv"])
def test_blobs_may_be_taken_before_or_after_the_pass(net_of, name):
    early, late = net_of(FULL, seed=1), net_of(FULL, seed=1)
    image = np.random.default_rng(2).normal(size=(1, 1, 12, 12))
    view = early.blobs[name].data
    early.forward(data=image)
    late.forward(data=image)
    np.testing.assert_array_equal(view, late.blobs[name].data)


def test_layers_are_timed_as_train_py_does(net):
    """Timers that callbacks start and stop, and the lines that train.py logs."""
    forward, backward = ([caffelite.Timer() for _ in net.layers] for _ in range(2))
    net.before_forward(lambda layer: forward[layer].start())
    net.after_forward(lambda layer: forward[layer].stop())
    net.before_backward(lambda layer: backward[layer].start())
    net.after_backward(lambda layer: backward[layer].stop())
    net.forward()
    net.backward()
    lines = [f"forw {i:3d} {net._layer_names[i]:10s} : {timer.ms}" for i, timer in enumerate(forward)]
    assert len(lines) == 4 and all(0 <= timer.ms < 60e3 for timer in (*forward, *backward))
