import numpy as np
import pytest

from caffelite.testing import blob_of, check_gradient, run_forward

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4, 5))


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("tanh")


@pytest.mark.parametrize("size", [1, 10000])
def test_values(size, dtype):
    values = size * VALUES
    top = run_forward('type: "TanH"', blob_of(values, dtype))
    np.testing.assert_allclose(top.data, np.tanh(values), rtol=1e-6)


def test_gradient():
    check_gradient('type: "TanH"', [VALUES[:, :, :1]], step=1e-4, threshold=1e-6)


def test_in_place(check_in_place, dtype):
    check_in_place('type: "TanH"', VALUES, dtype=dtype, overwritten=False)
