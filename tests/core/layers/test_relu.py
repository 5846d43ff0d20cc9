import numpy as np
import pytest

from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, spread_values

VALUES = spread_values((2, 3, 4, 5), step=0.05)


@pytest.mark.parametrize("name", ["relu", "relu_leaky"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


def test_values(dtype):
    top = run_forward('type: "ReLU"', blob_of([-2, -0.5, 0, 3], dtype))
    np.testing.assert_array_equal(top.data, [0, 0, 0, 3])
    top = run_forward('type: "ReLU" relu_param { negative_slope: 0.5 }', blob_of([-2, -0.5, 0, 3], dtype))
    np.testing.assert_array_equal(top.data, [-1, -0.25, 0, 3])


def test_what_is_not_a_number(dtype):
    values = [np.nan, np.inf, -np.inf]
    np.testing.assert_array_equal(run_forward('type: "ReLU"', blob_of(values, dtype)).data, [np.nan, np.inf, np.nan])
    text = 'type: "ReLU" relu_param { negative_slope: 2 }'
    np.testing.assert_array_equal(run_forward(text, blob_of(values, dtype)).data, values)


def test_the_gradient_at_zero_is_that_of_the_negative_side(dtype):
    layer, bottom = layer_from('type: "ReLU" relu_param { negative_slope: 0.25 }', dtype), blob_of([0.0, -0.0], dtype)
    top = run_forward(layer, bottom)
    top.diff[...] = 4
    run_backward(layer, [bottom], [top])
    np.testing.assert_array_equal(bottom.diff, [1, 1])


@pytest.mark.parametrize("slope", [0, 0.01, -0.5])
def test_gradient(slope):
    text = f'type: "ReLU" relu_param {{ negative_slope: {slope} }}'
    check_gradient(text, [VALUES[:, :, :2, :2]], step=1e-3, threshold=1e-6)


@pytest.mark.parametrize("slope", [0, 0.25, -0.5])
def test_in_place(check_in_place, slope, dtype):
    check_in_place(f'type: "ReLU" relu_param {{ negative_slope: {slope} }}', VALUES, dtype=dtype, overwritten=False)


def test_leaves_the_bottoms_gradient_alone_if_not_wanted():
    layer, bottom = layer_from('type: "ReLU"'), blob_of(VALUES)
    top = run_forward(layer, bottom)
    bottom.diff[...] = 7
    run_backward(layer, [bottom], [top], [False])
    assert (bottom.diff == 7).all()
