import numpy as np

from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

TEXT = 'type: "Clip" clip_param { min: -1 max: 2 }'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("clip")


def test_holds_values_between_the_bounds(dtype):
    top = run_forward(TEXT, blob_of([-5, -1, -0.5, 2, 3, np.inf, np.nan], dtype))
    np.testing.assert_array_equal(top.data, [-1, -1, -0.5, 2, 2, 2, -1])


def test_as_caffe_without_bounds_and_with_bounds_the_wrong_way_round(dtype):
    np.testing.assert_array_equal(run_forward('type: "Clip"', blob_of([-1, 1], dtype)).data, [0, 0])
    top = run_forward('type: "Clip" clip_param { min: 2 max: 1 }', blob_of([0, 1.5, 3], dtype))
    np.testing.assert_array_equal(top.data, [2, 2, 2])


def test_an_infinite_bound_is_none(dtype):
    layer = layer_from('type: "Clip" clip_param { min: -inf max: 2 }', dtype)
    bottom = blob_of([-1e30, 5], dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = 1
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(top[0].data, np.array([-1e30, 2], dtype))
    np.testing.assert_array_equal(bottom.diff, [1, 0])


def test_gradient():
    check_gradient(TEXT, [spread_values((3, 4, 5)) + 0.01], step=1e-3, threshold=1e-8)


def test_gradient_passes_at_both_bounds(dtype):
    layer, bottom = layer_from(TEXT, dtype), blob_of([-1.5, -1, 0, 2, 2.5], dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = [1, 2, 3, 4, np.inf]
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, [0, 2, 3, 4, 0])


def test_works_in_place(check_in_place, dtype):
    check_in_place(TEXT, spread_values((4, 3, 5)), dtype=dtype)
