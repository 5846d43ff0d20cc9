import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1701)
BOTTOM = RNG.uniform(0, 1, (2, 3, 4, 5))
FIELDS = 'num_output: %d weight_filler { type: "gaussian" } bias_filler { type: "gaussian" min: 1 max: 2 } %s'


def ip(fields="", num_output=10):
    return 'type: "InnerProduct" inner_product_param { ' + FIELDS % (num_output, fields) + " }"


@pytest.mark.parametrize("name", ["ip", "ip_transpose"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


def test_multiplies_weights_by_items(dtype):
    text = 'type: "InnerProduct" inner_product_param { num_output: 2 bias_filler { value: 0.5 } }'
    layer = layer_from(text, dtype)
    bottom = blob_of([[1, 2, 3], [4, 5, 6]], dtype)
    (top,) = set_up(layer, [bottom])
    layer.blobs[0].data[...] = [[1, 0, 2], [0, -1, 1]]
    layer.forward([bottom], [top])
    np.testing.assert_array_equal(top.data, [[7.5, 1.5], [16.5, 1.5]])


def test_shapes():
    layer = layer_from(ip())
    (top,) = set_up(layer, [blob_of(BOTTOM)])
    assert top.shape == (2, 10)
    assert [blob.shape for blob in layer.blobs] == [(10, 60), (10,)]
    layer = layer_from(ip("transpose: true bias_term: false axis: -1"))
    (top,) = set_up(layer, [blob_of(BOTTOM)])
    assert top.shape == (2, 3, 4, 10)
    assert [blob.shape for blob in layer.blobs] == [(5, 10)]


def test_axis_0_takes_the_whole_blob_as_one_item():
    assert run_forward(ip("axis: 0"), BOTTOM).shape == (10,)


def test_transpose_changes_only_how_weights_are_stored(dtype):
    plain, turned = layer_from(ip(), dtype), layer_from(ip("transpose: true"), dtype)
    bottoms = [blob_of(BOTTOM, dtype), blob_of(BOTTOM, dtype)]
    tops = [set_up(layer, [bottom]) for layer, bottom in zip((plain, turned), bottoms, strict=True)]
    turned.blobs[0].data[...] = plain.blobs[0].data.T
    turned.blobs[1].data[...] = plain.blobs[1].data
    for layer, bottom, top in zip((plain, turned), bottoms, tops, strict=True):
        layer.forward([bottom], top)
        top[0].diff[...] = RNG.normal(size=top[0].shape) if layer is plain else tops[0][0].diff
        run_backward(layer, [bottom], top)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(tops[0][0].data, tops[1][0].data, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(plain.blobs[0].diff, turned.blobs[0].diff.T, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(bottoms[0].diff, bottoms[1].diff, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("num_output", "fields"), [(10, ""), (11, "transpose: true"), (3, "bias_term: false axis: 2")])
def test_gradient(num_output, fields):
    check_gradient(ip(fields, num_output), [BOTTOM[:, :2, :2]], step=1e-2, threshold=1e-6)


def test_the_batch_size_may_change_and_the_item_may_not():
    layer = layer_from(ip())
    bottom = blob_of(BOTTOM)
    (top,) = set_up(layer, [bottom])
    bottom.reshape(7, 60)
    layer.reshape([bottom], [top])
    assert top.shape == (7, 10)
    bottom.reshape(7, 61)
    with pytest.raises(LayerError, match=r"bottom\[0\] is 7 61 \(427\); the weights are for items of 60 values"):
        layer.reshape([bottom], [top])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("num_output: 0", r"inner_product_param\.num_output is 0; use 1 or more"),
        ("num_output: 2 axis: 4", r"inner_product_param\.axis is 4; a blob of shape 2 3 4 5 \(120\) has axes -4 to 3"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(f'type: "InnerProduct" inner_product_param {{ {fields} }}', BOTTOM)


def test_refuses_stored_weights_of_another_shape():
    text = (
        'type: "InnerProduct" inner_product_param { num_output: 2 bias_term: false } blobs { shape { dim: 1 } data: 1 }'
    )
    with pytest.raises(LayerError, match=r"blobs is of shape 1 \(1\); this layer has 1 of shape 2 60 \(120\)"):
        run_forward(text, BOTTOM)
