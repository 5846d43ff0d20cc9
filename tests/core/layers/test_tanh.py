import numpy as np
import pytest

from caffelite.core.layer import setup_layer
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4, 5))


def test_equals_caffe(golden):
    golden("tanh")


@pytest.mark.parametrize("size", [1, 10000])
def test_values(size, dtype):
    values = size * VALUES
    top = run_forward('type: "TanH"', blob_of(values, dtype))
    np.testing.assert_allclose(top.data, np.tanh(values), rtol=1e-6)


def test_gradient():
    check_gradient('type: "TanH"', [VALUES[:, :, :1]], step=1e-4, threshold=1e-6)


def test_in_place(dtype):
    layer, blob, other = layer_from('type: "TanH"', dtype), blob_of(VALUES, dtype), blob_of(VALUES, dtype)
    setup_layer(layer, [blob], [blob])
    layer.forward([blob], [blob])
    plain = layer_from('type: "TanH"', dtype)
    top = run_forward(plain, other)
    np.testing.assert_array_equal(blob.data, top.data)
    blob.diff[...] = top.diff[...] = VALUES[::-1]
    run_backward(layer, [blob], [blob])
    run_backward(plain, [other], [top])
    np.testing.assert_array_equal(blob.diff, other.diff)
