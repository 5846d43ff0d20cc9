import numpy as np
import pytest

from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

CASES = [
    (0.37, 0.83, -2.4),
    (0.37, 0.83, 0),
    (0, 0.83, -2.4),
    (1, 0.83, -2.4),
    (2, 0.34, -2.4),
    (2, 0.5, -2.4),
    (3, 0.5, 0.4),
    (-1, 1, 0),
    (-0.5, 2, 0.37),
    (2.5, 0, 1.5),
]


def power(power, scale, shift):
    return f'type: "Power" power_param {{ power: {power} scale: {scale} shift: {shift} }}'


@pytest.mark.parametrize("name", ["power", "power_frac", "power_one"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


@pytest.mark.parametrize("case", CASES)
def test_values(dtype, case):
    exponent, scale, shift = case
    values = spread_values((2, 3, 4, 5)).astype(dtype)
    base = np.float32(shift) + np.float32(scale) * values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        wanted = base ** np.float32(exponent)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(run_forward(power(*case), blob_of(values, dtype)).data, wanted, tolerance, tolerance)


@pytest.mark.parametrize("case", CASES)
def test_gradient(case):
    exponent, scale, shift = case
    values = spread_values((2, 3, 4))
    if exponent % 1:  # mirrored to where the base is positive
        values = abs(values + shift / (scale or 1)) - shift / (scale or 1)
    check_gradient(power(*case), [values], step=1e-5, threshold=1e-5)


@pytest.mark.parametrize(("exponent", "slope"), [(3, 0), (1.5, 0), (2, 0), (0.5, np.inf)])
def test_gradient_where_the_base_is_0(dtype, exponent, slope):
    layer, bottom = layer_from(power(exponent, 1, 0), dtype), blob_of([0], dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = 1
    run_backward(layer, [bottom], top)
    assert top[0].data[0] == 0
    assert bottom.diff[0] == slope


def test_power_0_is_1_everywhere(dtype):
    top = run_forward(power(0, 1, 0), blob_of([0, np.nan, 3], dtype))
    np.testing.assert_array_equal(top.data, [1, 1, 1])


def test_scale_0_gives_a_constant(dtype):
    np.testing.assert_array_equal(run_forward(power(-1, 0, 0), blob_of([1, 2], dtype)).data, [np.inf, np.inf])
    np.testing.assert_array_equal(run_forward(power(0.5, 0, -1), blob_of([1], dtype)).data, [np.nan])


@pytest.mark.parametrize("case", CASES)
def test_works_in_place(check_in_place, dtype, case):
    check_in_place(power(*case), abs(spread_values((2, 3, 5))) + 3, dtype=dtype)
