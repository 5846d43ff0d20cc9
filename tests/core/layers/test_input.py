import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import layer_from, set_up


def test_one_shape_for_all_tops():
    layer = layer_from('type: "Input" input_param { shape { dim: 2 dim: 3 } }')
    assert [blob.shape for blob in set_up(layer, [], 2)] == [(2, 3), (2, 3)]


def test_a_shape_for_each_top():
    layer = layer_from('type: "Input" input_param { shape { dim: 2 dim: 3 } shape { } }')
    assert [blob.shape for blob in set_up(layer, [], 2)] == [(2, 3), ()]


def test_without_a_shape_the_user_gives_it():
    layer = layer_from('type: "Input"')
    top = set_up(layer, [], 2)
    assert [blob.count for blob in top] == [0, 0]
    top[0].reshape(4, 5)
    layer.reshape([], top)
    assert top[0].shape == (4, 5)


def test_forward_leaves_the_values_alone():
    layer = layer_from('type: "Input" input_param { shape { dim: 3 } }')
    (top,) = set_up(layer, [])
    assert not top.data.any()
    top.data[...] = [1, 2, 3]
    layer.forward([], [top])
    assert top.data.tolist() == [1, 2, 3]


def test_refuses_another_number_of_shapes():
    layer = layer_from('type: "Input" input_param { shape { } shape { } shape { } }')
    message = (
        r"shape is given 3 times; Must specify 'shape' once, once per top blob, or not at all: 2 tops vs\. 3 shapes"
    )
    with pytest.raises(LayerError, match=message):
        set_up(layer, [], 2)


def test_is_an_input_of_the_net():
    assert layer_from('type: "Input"').is_input
