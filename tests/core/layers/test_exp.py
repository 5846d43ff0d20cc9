import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, run_forward, spread_values

CASES = [(-1, 1, 0), (-1, 1, 1), (2, 1, 0), (2, 1, 1), (2, 3, 0), (2, 3, 1)]


def exp(base, scale, shift):
    return f'type: "Exp" exp_param {{ base: {base} scale: {scale} shift: {shift} }}'


@pytest.mark.parametrize("name", ["exp", "exp_base"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


@pytest.mark.parametrize("case", CASES)
def test_values(dtype, case):
    base, scale, shift = case
    values = spread_values((2, 3, 4), 0.15).astype(dtype)
    wanted = (np.e if base == -1 else base) ** (shift + scale * values)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(run_forward(exp(*case), blob_of(values, dtype)).data, wanted, rtol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_gradient(case):
    check_gradient(exp(*case), [spread_values((2, 3, 4), 0.15)], step=1e-4, threshold=1e-6)


def test_base_1_gives_1_and_no_gradient():
    np.testing.assert_array_equal(run_forward(exp(1, 2, 3), [5.0, -5.0]).data, [1, 1])
    check_gradient(exp(1, 2, 3), [[5.0, -5.0]], threshold=0)


def test_works_in_place(check_in_place, dtype):
    check_in_place(exp(2, 3, 1), spread_values((2, 3, 5)), dtype=dtype)


@pytest.mark.parametrize("base", [0, -2, "inf"])
def test_refuses_other_bases(base):
    with pytest.raises(LayerError, match=rf"exp_param\.base is {base}; use -1 for e, or a positive number"):
        run_forward(exp(base, 1, 0), [1.0])
