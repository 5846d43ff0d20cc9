import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import LayerError
from caffelite.proto.caffe_pb2 import NetParameter
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values


def pooling(fields):
    return f'type: "Pooling" pooling_param {{ pool: AVE avg_include_pad: false {fields} }}'


def means(x, shape, kernel, stride, pad):
    """The mean of each window's pixels, a window at a time."""
    y = np.zeros((*x.shape[:2], *shape))
    for p, q in np.ndindex(*shape):
        h, w = p * stride - pad, q * stride - pad
        window = x[:, :, max(h, 0) : max(h + kernel, 0), max(w, 0) : max(w + kernel, 0)]
        y[:, :, p, q] = window.mean((2, 3)) if window.size else 0
    return y


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "shape"), [(3, 2, 1, (4, 4)), (3, 1, 1, (6, 7)), (5, 3, 2, (3, 3)), (2, 2, 0, (3, 4))]
)
def test_values_are_means_of_pixels(kernel, stride, pad, shape, dtype):
    x = np.random.default_rng(1).normal(5, 1, (2, 3, 6, 7))
    top = run_forward(pooling(f"kernel_size: {kernel} stride: {stride} pad: {pad}"), blob_of(x, dtype))
    assert top.shape == (2, 3, *shape)
    np.testing.assert_allclose(top.data, means(x, shape, kernel, stride, pad), rtol=1e-5)


def test_a_window_without_pixels_gives_0_and_gets_no_gradient():
    layer, bottom = layer_from(pooling("kernel_size: 1 stride: 4")), blob_of(np.full((1, 1, 6, 6), 3.0))
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = 1
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(top[0].data[0, 0], [[3, 3, 0], [3, 3, 0], [0, 0, 0]])
    assert bottom.diff.sum() == 4


def test_global_pooling_is_the_mean_of_the_plane(dtype):
    x = spread_values((2, 3, 4, 5))
    top = run_forward(pooling("global_pooling: true"), blob_of(x, dtype))
    np.testing.assert_allclose(top.data[:, :, 0, 0], x.mean((2, 3)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 2, 1), (3, 1, 2), (2, 3, 0)])
def test_gradient(kernel, stride, pad):
    fields = f"kernel_size: {kernel} stride: {stride} pad: {pad}"
    check_gradient(pooling(fields), [spread_values((2, 2, 5, 6))], step=1e-4, threshold=1e-7)


def test_other_sizes_and_an_empty_batch(dtype):
    layer = layer_from(pooling("kernel_size: 3 stride: 2 pad: 1"), dtype)
    bottom = blob_of(spread_values((2, 3, 6, 7)), dtype)
    top = set_up(layer, [bottom])
    for size in ((2, 3, 6, 7), (0, 3, 6, 7), (1, 2, 9, 4)):
        bottom.reshape(*size)
        bottom.data[...] = spread_values(size)
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        run_backward(layer, [bottom], top)
        wanted = means(bottom.data, top[0].shape[2:], 3, 2, 1)
        np.testing.assert_allclose(top[0].data, wanted, rtol=1e-4, atol=1e-5)


NET = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 5 dim: 5 } } }
layer { name: "y" type: "Pooling" bottom: "x" top: "y"
        pooling_param { pool: AVE avg_include_pad: false kernel_size: 3 stride: 2 pad: 1 } }
"""


def test_the_terms_of_values_and_gradients():
    net = caffelite.Net(text_format.Parse(NET, NetParameter()), caffelite.TRAIN)
    net.blobs["x"].data[...] = spread_values((1, 2, 5, 5))
    net.forward()
    net.blobs["y"].diff[...] = spread_values((1, 2, 3, 3))
    net.backward()
    for index in np.ndindex(1, 2, 3, 3):
        assert net.why("y", *index).total == pytest.approx(float(net.blobs["y"].data[index]), abs=1e-5)
    for index in np.ndindex(1, 2, 5, 5):
        assert net.why("x", *index, diff=True).total == pytest.approx(float(net.blobs["x"].diff[index]), abs=1e-5)


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ("kernel_size: 2", (2, 3), r"bottom\[0\] is 2 3 \(6\); Input must have 4 axes"),
        ("kernel_size: 2 pad: 2", (1, 1, 4, 4), r"pooling_param\.pad is 2; it must be smaller than the kernel"),
    ],
)
def test_refusals(fields, shape, message):
    with pytest.raises(LayerError, match=message):
        run_forward(pooling(fields), np.ones(shape))
