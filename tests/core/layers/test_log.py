import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, run_forward, spread_values

CASES = [(-1, 1, 0), (2, 1, 0), (2, 1, 1), (2, 3, 0), (2, 3, 1)]


def log(base, scale, shift):
    return f'type: "Log" log_param {{ base: {base} scale: {scale} shift: {shift} }}'


@pytest.mark.parametrize("name", ["log", "log_base"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


@pytest.mark.parametrize("case", CASES)
def test_values(dtype, case):
    base, scale, shift = case
    values = np.exp(spread_values((2, 3, 4), 0.15)).astype(dtype)
    wanted = np.log(shift + scale * values) / (1 if base == -1 else np.log(base))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(run_forward(log(*case), blob_of(values, dtype)).data, wanted, tolerance, tolerance)


def test_outside_its_domain(dtype):
    top = run_forward('type: "Log"', blob_of([0, -1, np.inf], dtype))
    np.testing.assert_array_equal(top.data, [-np.inf, np.nan, np.inf])


@pytest.mark.parametrize("case", CASES)
def test_gradient(case):
    check_gradient(log(*case), [np.exp(spread_values((2, 3, 4), 0.1))], step=1e-5, threshold=1e-6)


def test_works_in_place(check_in_place, dtype):
    check_in_place(log(2, 3, 1), np.exp(spread_values((2, 3, 5))), dtype=dtype)


@pytest.mark.parametrize(
    ("base", "message"), [(1, "is 1; there is no logarithm to base 1"), (0, "is 0; use -1 for e"), (-2, "is -2; use")]
)
def test_refuses_other_bases(base, message):
    with pytest.raises(LayerError, match=rf"log_param\.base {message}"):
        run_forward(log(base, 1, 0), [1.0])
