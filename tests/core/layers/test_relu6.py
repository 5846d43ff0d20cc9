import numpy as np
import pytest

from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

TEXT = 'type: "ReLU6"'
SLOPE = 'type: "ReLU6" relu6_param { negative_slope: %g }'


def test_values(dtype):
    top = run_forward(TEXT, blob_of([-5, -0.5, 0, 0.5, 5.5, 6, 7, np.inf, np.nan], dtype))
    np.testing.assert_array_equal(top.data, np.array([0, 0, 0, 0.5, 5.5, 6, 6, 6, np.nan], dtype), strict=True)


def test_values_with_a_slope(dtype):
    top = run_forward(SLOPE % 0.5, blob_of([-5, 0, 3, 8, -np.inf], dtype))
    np.testing.assert_array_equal(top.data, [-2.5, 0, 3, 6, -np.inf])
    np.testing.assert_array_equal(run_forward(SLOPE % -2, blob_of([-1, -4, 1], dtype)).data, [2, 6, 1])


def test_the_gradient_passes_below_6_only(dtype):
    layer, bottom = layer_from(SLOPE % 0.5, dtype), blob_of([-1, 0, 1, 6, 7], dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = [1, 2, 3, 4, np.inf]
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, [0.5, 1, 3, 0, 0])


@pytest.mark.parametrize("slope", [0, 0.25, -1.3])
def test_gradient(slope):
    values = spread_values((3, 4, 5), step=0.4)
    assert (values > 6).any() and (values < -6).any()
    check_gradient(SLOPE % slope, [values + 0.01], step=1e-3, threshold=1e-6)


@pytest.mark.parametrize("slope", [0, 0.25])
def test_works_in_place(check_in_place, dtype, slope):
    check_in_place(SLOPE % slope, spread_values((4, 3, 5), step=0.4), dtype=dtype)


def test_other_shapes_and_no_items():
    layer, bottom = layer_from(TEXT), blob_of(np.ones((2, 3)))
    top = set_up(layer, [bottom])
    for shape in ((5, 1, 2), (0, 4)):
        bottom.reshape(*shape)
        bottom.data[...] = 9
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        layer.backward(top, [True], [bottom])
        np.testing.assert_array_equal(top[0].data, np.full(shape, 6.0), strict=True)
