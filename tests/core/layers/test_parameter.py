import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import check_gradient, layer_from, run_backward, run_forward, set_up

TEXT = 'type: "Parameter" parameter_param { shape { dim: 2 dim: 3 } }'


def test_the_top_is_the_parameter(dtype):
    layer = layer_from(TEXT, dtype)
    top = run_forward(layer)
    assert top.shape == (2, 3) and not top.data.any()
    layer.blobs[0].data[...] = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(top.data, layer.blobs[0].data)
    assert np.shares_memory(top.data, layer.blobs[0].data)


def test_gradient():
    check_gradient(TEXT, [], threshold=1e-8)


def test_gradients_of_several_passes_add_up():
    layer = layer_from(TEXT)
    top = set_up(layer, [])
    top[0].diff[...] = 2
    run_backward(layer, [], top)
    run_backward(layer, [], top)
    assert (layer.blobs[0].diff == 4).all()


def test_a_parameter_that_is_not_learned_gets_no_gradient():
    layer = layer_from(TEXT)
    top = set_up(layer, [])
    layer.param_propagate_down = [False]
    top[0].diff[...] = 2
    run_backward(layer, [], top)
    assert not layer.blobs[0].diff.any()


def test_refuses_a_shape_without_elements():
    with pytest.raises(LayerError, match="a parameter needs at least one element"):
        run_forward('type: "Parameter" parameter_param { shape { dim: 2 dim: 0 } }')
