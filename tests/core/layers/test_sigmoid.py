import numpy as np
import pytest

from caffelite.testing import blob_of, check_gradient, run_forward

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4, 5))


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("sigmoid")


def test_values(dtype):
    top = run_forward('type: "Sigmoid"', blob_of([[0, 2, -1], [100, -100, np.nan]], dtype))
    want = [[0.5, 0.8807970779778823, 0.2689414213699951], [1, 0, np.nan]]
    np.testing.assert_allclose(top.data, want, rtol=1e-6)


def test_gradient():
    check_gradient('type: "Sigmoid"', [VALUES[:, :, :1]], step=1e-4, threshold=1e-6)


def test_in_place(check_in_place, dtype):
    check_in_place('type: "Sigmoid"', VALUES, dtype=dtype, overwritten=False)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 1, 1, 2)])
def test_any_shape(shape):
    assert run_forward('type: "Sigmoid"', np.zeros(shape)).shape == shape
