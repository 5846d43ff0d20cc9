import numpy as np
import pytest

from caffelite.core.layer import setup_layer
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4, 5))


def test_equals_caffe(golden):
    golden("sigmoid")


def test_values(dtype):
    top = run_forward('type: "Sigmoid"', blob_of([[0, 2, -1], [100, -100, np.nan]], dtype))
    want = [[0.5, 0.8807970779778823, 0.2689414213699951], [1, 0, np.nan]]
    np.testing.assert_allclose(top.data, want, rtol=1e-6)


def test_gradient():
    check_gradient('type: "Sigmoid"', [VALUES[:, :, :1]], step=1e-4, threshold=1e-6)


def test_in_place(dtype):
    layer, blob, other = layer_from('type: "Sigmoid"', dtype), blob_of(VALUES, dtype), blob_of(VALUES, dtype)
    setup_layer(layer, [blob], [blob])
    layer.forward([blob], [blob])
    plain = layer_from('type: "Sigmoid"', dtype)
    top = run_forward(plain, other)
    np.testing.assert_array_equal(blob.data, top.data)
    blob.diff[...] = top.diff[...] = VALUES[::-1]
    run_backward(layer, [blob], [blob])
    run_backward(plain, [other], [top])
    np.testing.assert_array_equal(blob.diff, other.diff)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 1, 1, 2)])
def test_any_shape(shape):
    assert run_forward('type: "Sigmoid"', np.zeros(shape)).shape == shape
