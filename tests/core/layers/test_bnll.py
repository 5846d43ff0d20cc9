import numpy as np

from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("bnll")


def test_makes_a_soft_rectifier(dtype):
    values = spread_values((2, 3, 4, 5))
    top = run_forward('type: "BNLL"', blob_of(values, dtype))
    np.testing.assert_allclose(top.data, np.logaddexp(0, values.astype(dtype)), rtol=1e-6, atol=1e-7)


def test_large_values_do_not_overflow(dtype):
    layer, bottom = layer_from('type: "BNLL"', dtype), blob_of([-1000, 1000, np.inf, -np.inf, np.nan], dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    np.testing.assert_array_equal(top[0].data, [0, 1000, np.inf, 0, np.nan])
    top[0].diff[...] = 2
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, [0, 2, 2, 0, np.nan])


def test_gradient():
    check_gradient('type: "BNLL"', [spread_values((2, 3, 4))], step=1e-4, threshold=1e-7)


def test_works_in_place(check_in_place, dtype):
    check_in_place('type: "BNLL"', spread_values((2, 3, 5)), dtype=dtype)
