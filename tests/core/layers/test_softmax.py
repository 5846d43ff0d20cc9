import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward

VALUES = np.random.default_rng(1).normal(size=(2, 10, 2, 3))


def softmax(axis=1):
    return f'type: "Softmax" softmax_param {{ axis: {axis} }}'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("softmax")


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -4])
def test_values(axis, dtype):
    top = run_forward(softmax(axis), blob_of(VALUES, dtype))
    want = np.exp(VALUES) / np.exp(VALUES).sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(top.data, want, rtol=1e-5)


def test_gradient_by_hand(dtype):
    layer, bottom = layer_from(softmax(), dtype), blob_of([[1, 2, 3]], dtype)
    top = run_forward(layer, bottom)
    top.diff[...] = [[1, 0, 2]]
    run_backward(layer, [bottom], [top])
    np.testing.assert_allclose(bottom.diff, [[-0.03785898, -0.347639848, 0.385498829]], rtol=1e-5)


@pytest.mark.parametrize("axis", [1, -1])
def test_gradient(axis):
    check_gradient(softmax(axis), [VALUES[:, :4, :, :2]], step=1e-4, threshold=1e-6)


def test_an_axis_of_one_gives_one():
    layer, bottom = layer_from(softmax()), blob_of([[5], [-7]])
    top = run_forward(layer, bottom)
    np.testing.assert_array_equal(top.data, [[1], [1]])
    top.diff[...] = 3
    run_backward(layer, [bottom], [top])
    np.testing.assert_array_equal(bottom.diff, [[0], [0]])


def test_infinities():
    top = run_forward(softmax(), [[0, -np.inf, 0], [np.inf, 0, 0]])
    np.testing.assert_array_equal(top.data[0], [0.5, 0, 0.5])
    assert np.isnan(top.data[1, 0])


@pytest.mark.parametrize("axis", [1, 3])
def test_in_place(check_in_place, axis, dtype):
    check_in_place(softmax(axis), VALUES, dtype=dtype, overwritten=False)


def test_refusals():
    with pytest.raises(LayerError, match=r"softmax_param\.axis is 1; a blob of shape 3 \(3\) has axes -1 to 0"):
        run_forward(softmax(), [1, 2, 3])
