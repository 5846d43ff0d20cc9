import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4, 5))


def fields_of(order):
    return f'type: "Permute" permute_param {{ {" ".join(f"order: {axis}" for axis in order)} }}'


def plain(values, order):
    """Element by element, as the definition says."""
    order = [*order, *(axis for axis in range(values.ndim) if axis not in order)]
    result = np.empty([values.shape[axis] for axis in order], values.dtype)
    for place in np.ndindex(result.shape):
        source = [0] * values.ndim
        for at, axis in zip(place, order, strict=True):
            source[axis] = at
        result[place] = values[tuple(source)]
    return result


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (3, 1), (2,), (), (0, 1, 2, 3), (3, 2, 1, 0)])
def test_equals_a_plain_version(order, dtype):
    top = run_forward(fields_of(order), blob_of(VALUES, dtype))
    assert top.dtype == dtype
    np.testing.assert_array_equal(top.data, plain(VALUES.astype(dtype), order))


def test_channels_last_by_hand(dtype):
    top = run_forward(fields_of((0, 2, 3, 1)), blob_of([[[[1, 2]], [[3, 4]]]], dtype))
    np.testing.assert_array_equal(top.data, [[[[1, 3], [2, 4]]]])


def test_any_number_of_axes():
    np.testing.assert_array_equal(run_forward(fields_of((1,)), VALUES[0, 0]).data, VALUES[0, 0].T)
    assert run_forward(fields_of((4,)), np.ones((2, 3, 1, 1, 6))).shape == (6, 2, 3, 1, 1)


def test_the_identity_does_not_share_memory(dtype):
    bottom = blob_of(VALUES, dtype)
    top = run_forward(fields_of((0,)), bottom)
    bottom.data[...] = 0
    np.testing.assert_array_equal(top.data, VALUES.astype(dtype))


def test_follows_a_bottom_whose_shape_changes():
    layer, bottom = layer_from(fields_of((0, 2, 3, 1))), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for values in (np.ones((5, 2, 7, 3)), VALUES[:, :, :2], VALUES):
        bottom.reshape(*values.shape)
        bottom.data[...] = values
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        np.testing.assert_array_equal(top[0].data, values.transpose(0, 2, 3, 1))


def test_no_items():
    assert run_forward(fields_of((0, 2, 3, 1)), np.ones((0, 3, 4, 5))).shape == (0, 4, 5, 3)


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (2, 0), ()])
def test_gradient(order):
    check_gradient(fields_of(order), [VALUES[:, :2, :3, :2]], threshold=1e-8)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ((0, 4), r"permute_param\.order\[1\] is 4; a bottom of shape 2 3 4 5 \(120\) has axes 0 to 3"),
        ((0, 2, 0), r"permute_param\.order\[2\] is 0; this axis is listed before"),
    ],
)
def test_refusals(order, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(order), VALUES)


def test_reach_is_the_pixel_where_the_image_stays_and_unknown_elsewhere():
    for order, reach in (((1, 0), (1, 1)), ((0, 2, 3, 1), None)):
        layer, bottom = layer_from(fields_of(order)), blob_of(np.ones((2, 3, 3, 3)))
        top = set_up(layer, [bottom])
        found = layer.reach(0, [bottom], top)
        assert (found and found.extent) == reach


def test_formula():
    layer, bottom = layer_from(fields_of((0, 2, 3, 1))), blob_of(VALUES)
    top = set_up(layer, [bottom])
    assert layer.formula_with_numbers([bottom], top) == "y = x, its axes in the order (0, 2, 3, 1)"
    assert layer.fork == "SSD"
