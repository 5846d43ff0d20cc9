import numpy as np
import pytest

from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values


def elu(alpha):
    return f'type: "ELU" elu_param {{ alpha: {alpha} }}'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("elu")


@pytest.mark.parametrize("alpha", [1, 0.5, 0])
def test_values(dtype, alpha):
    values = spread_values((2, 3, 4, 5)).astype(dtype)
    top = run_forward(elu(alpha), blob_of(values, dtype))
    np.testing.assert_allclose(top.data, np.where(values > 0, values, alpha * np.expm1(values)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("alpha", [1, 0.5, 0, -0.5])
def test_gradient(alpha):
    check_gradient(elu(alpha), [spread_values((2, 3, 4))], step=1e-4, threshold=1e-7)


def test_slope_at_0_and_far_away(dtype):
    layer, bottom = layer_from(elu(0.5), dtype), blob_of([0, 1000, np.inf, -1000], dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    np.testing.assert_array_equal(top[0].data, [0, 1000, np.inf, -0.5])
    top[0].diff[...] = 4
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, [2, 4, 4, 0])


@pytest.mark.parametrize("alpha", [1, -0.5])
def test_works_in_place(check_in_place, dtype, alpha):
    check_in_place(elu(alpha), spread_values((2, 3, 5)), dtype=dtype)
