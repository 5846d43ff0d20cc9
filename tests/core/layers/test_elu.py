import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.proto.caffe_pb2 import NetParameter
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


@pytest.mark.parametrize("alpha", [1, 0.5])
def test_lambda_scales_values_and_gradient(check_in_place, alpha, dtype):
    text = f'type: "ELU" elu_param {{ alpha: {alpha} lambda: 1.5 }}'
    values = spread_values((2, 3, 4)).astype(dtype)
    top = run_forward(text, blob_of(values, dtype))
    wanted = 1.5 * np.where(values > 0, values, alpha * np.expm1(values))
    np.testing.assert_allclose(top.data, wanted, rtol=1e-5, atol=1e-7)
    check_gradient(text, [spread_values((2, 3, 4))], step=1e-4, threshold=1e-6)
    check_in_place(text, spread_values((2, 3, 5)), dtype=dtype)


def test_formula_names_lambda_where_it_is_not_1():
    for fields, formula in (
        ("alpha: 0.5", "y = x where x > 0, else 0.5 * (e^x - 1)"),
        ("alpha: 0.5 lambda: 3", "y = 3 * x where x > 0, else 1.5 * (e^x - 1)"),
    ):
        assert layer_from(f'type: "ELU" elu_param {{ {fields} }}').formula_with_numbers([], []) == formula


def test_the_terms_of_a_value_have_lambda():
    net = caffelite.Net(text_format.Parse(NET, NetParameter()), caffelite.TRAIN)
    net.blobs["x"].data[...] = [-1.0, 2.0]
    net.forward()
    net.blobs["y"].diff[...] = 1
    net.backward()
    np.testing.assert_allclose([net.why("y", i).total for i in range(2)], [3 * np.expm1(-1), 6], rtol=1e-6)
    np.testing.assert_allclose([net.why("x", i, diff=True).total for i in range(2)], [3 * np.exp(-1), 3], rtol=1e-6)


NET = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }
layer { name: "y" type: "ELU" bottom: "x" top: "y" elu_param { lambda: 3 } }
"""
