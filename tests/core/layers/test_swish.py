import numpy as np
import pytest

from caffelite.testing import blob_of, check_gradient, run_forward, spread_values


def swish(beta):
    return f'type: "Swish" swish_param {{ beta: {beta} }}'


@pytest.mark.parametrize("name", ["swish", "swish_beta"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


@pytest.mark.parametrize("beta", [1, 1.5, 0])
def test_values(dtype, beta):
    values = spread_values((2, 3, 4, 5)).astype(dtype)
    top = run_forward(swish(beta), blob_of(values, dtype))
    np.testing.assert_allclose(top.data, values / (1 + np.exp(-beta * values)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("beta", [1, 1.5, 0])
def test_gradient(beta):
    check_gradient(swish(beta), [spread_values((2, 3, 4))], step=1e-4, threshold=1e-7)


def test_works_in_place(check_in_place, dtype):
    check_in_place(swish(1.5), spread_values((2, 3, 5)), dtype=dtype)
