import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, set_up

VALUES = np.random.default_rng(1).normal(size=(2, 3, 2, 2))


@pytest.mark.parametrize("tops", [1, 2, 3])
def test_tops_use_the_bottoms_memory_and_gradients_add_up(tops, dtype):
    layer, bottom = layer_from('type: "Split"', dtype), blob_of(VALUES, dtype)
    top = set_up(layer, [bottom], tops)
    layer.forward([bottom], top)
    for k, blob in enumerate(top):
        assert np.shares_memory(blob.data, bottom.data)
        blob.diff[...] = k + 1
    run_backward(layer, [bottom], top)
    assert (bottom.diff == sum(range(1, tops + 1))).all()


def test_follows_a_bottom_whose_memory_moved():
    layer, bottom = layer_from('type: "Split"'), blob_of(VALUES)
    top = set_up(layer, [bottom], 2)
    layer.forward([bottom], top)
    bottom.set_data_storage(np.ones(VALUES.size))
    layer.forward([bottom], top)
    assert (top[1].data == 1).all()


def test_tops_use_the_bottoms_memory_once_they_are_shaped():
    layer, bottom = layer_from('type: "Split"'), blob_of(VALUES)
    top = set_up(layer, [bottom], 2)
    assert np.shares_memory(top[1].data, bottom.data)
    bottom.reshape(5, 3, 2, 2)
    layer.reshape([bottom], top)
    bottom.data[...] = 7
    assert (top[0].data == 7).all()


def test_gradient():
    check_gradient('type: "Split"', [VALUES], top_count=2, threshold=1e-8)


def test_refuses_in_place_use():
    layer, bottom = layer_from('type: "Split"'), blob_of(VALUES)
    with pytest.raises(LayerError, match="a Split does not work in place"):
        layer.reshape([bottom], [bottom])
