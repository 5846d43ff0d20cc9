import numpy as np
import pytest

from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("absval")


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4, 5, 2)])
def test_makes_the_size(dtype, shape):
    values = spread_values(shape)
    top = run_forward('type: "AbsVal"', blob_of(values, dtype))
    np.testing.assert_array_equal(top.data, abs(values.astype(dtype)))


def test_gradient():
    check_gradient('type: "AbsVal"', [spread_values((2, 3, 4))], step=1e-2, threshold=1e-8)


def test_gradient_at_0_is_0(dtype):
    layer, bottom = layer_from('type: "AbsVal"', dtype), blob_of([0, -0.0, 1, -1, np.nan], dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = 3
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, [0, 0, 3, -3, 0])


def test_works_in_place(check_in_place, dtype):
    check_in_place('type: "AbsVal"', spread_values((2, 3, 5)), dtype=dtype)


def test_leaves_the_gradient_that_nobody_wants():
    layer, bottom = layer_from('type: "AbsVal"'), blob_of([1.0])
    top = set_up(layer, [bottom])
    bottom.diff[...] = 9
    run_backward(layer, [bottom], top, [False])
    assert bottom.diff[0] == 9


def test_long_arrays_are_shared_out(dtype):
    values = spread_values((3, 50021))
    top = run_forward('type: "AbsVal"', blob_of(values, dtype))
    np.testing.assert_array_equal(top.data, abs(values.astype(dtype)))
