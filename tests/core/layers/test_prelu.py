import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

VALUES = spread_values((2, 3, 4, 5))
SLOPES = {
    "default": "",
    "gaussian": 'filler { type: "gaussian" }',
    "shared": 'filler { type: "gaussian" } channel_shared: true',
}


def prelu(fields=""):
    return f'type: "PReLU" prelu_param {{ {fields} }}'


@pytest.mark.parametrize("name", ["prelu", "prelu_shared"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


@pytest.mark.parametrize("fields", SLOPES.values(), ids=SLOPES)
def test_values(dtype, fields):
    layer = layer_from(prelu(fields), dtype)
    top = run_forward(layer, blob_of(VALUES, dtype))
    values, slope = VALUES.astype(dtype), layer.blobs[0].data
    assert slope.shape == (() if "shared" in fields else (3,))
    wanted = np.maximum(values, 0) + np.broadcast_to(slope, 3)[:, None, None] * np.minimum(values, 0)
    np.testing.assert_array_equal(top.data, wanted)


def test_slopes_start_at_a_quarter_and_with_a_filler_without_fields_at_0():
    layer = layer_from(prelu())
    run_forward(layer, VALUES)
    np.testing.assert_array_equal(layer.blobs[0].data, [0.25] * 3)
    layer = layer_from(prelu("filler {}"))
    run_forward(layer, VALUES)
    np.testing.assert_array_equal(layer.blobs[0].data, [0] * 3)


def test_equals_relu_with_that_slope(dtype):
    texts = (prelu(), 'type: "ReLU" relu_param { negative_slope: 0.25 }')
    results = []
    for text in texts:
        layer, bottom = layer_from(text, dtype), blob_of(VALUES, dtype)
        top = set_up(layer, [bottom])
        layer.forward([bottom], top)
        top[0].diff[...] = VALUES[::-1]
        run_backward(layer, [bottom], top)
        results.append((top[0].data, bottom.diff))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (4, 3), (2, 3, 2, 1, 2)])
@pytest.mark.parametrize("fields", SLOPES.values(), ids=SLOPES)
def test_gradient(fields, shape):
    check_gradient(prelu(fields), [spread_values(shape)], step=1e-2, threshold=1e-8)


def test_gradient_at_0(dtype):
    layer, bottom = layer_from(prelu(), dtype), blob_of([[0.0]], dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = 4
    run_backward(layer, [bottom], top)
    assert bottom.diff[0, 0] == 1


@pytest.mark.parametrize("fields", SLOPES.values(), ids=SLOPES)
def test_works_in_place(check_in_place, dtype, fields):
    check_in_place(prelu(fields), VALUES, dtype=dtype)


def test_refuses_a_bottom_without_channels():
    with pytest.raises(LayerError, match=r"bottom\[0\] is 3 \(3\); channels are on axis 1"):
        run_forward(prelu(), np.ones(3))


def test_refuses_another_number_of_channels():
    layer, bottom = layer_from(prelu()), blob_of(np.ones((2, 3)))
    top = set_up(layer, [bottom])
    bottom.reshape(3, 2)
    with pytest.raises(LayerError, match=r"bottom\[0\] is 3 2 \(6\); the slopes are of 3 channels on axis 1"):
        layer.reshape([bottom], top)
