import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4, 5))


def fields_of(dims):
    return f'type: "Transpose" transpose_param {{ {" ".join(f"dim: {axis}" for axis in dims)} }}'


@pytest.mark.parametrize("dims", [(3, 0, 1, 2), (0, 2, 3, 1), (0, 1, 2, 3), (3, 2, 1, 0)])
def test_each_value_is_where_the_definition_says(dims, dtype):
    top = run_forward(fields_of(dims), blob_of(VALUES, dtype))
    assert top.shape == tuple(VALUES.shape[axis] for axis in dims)
    for place in np.ndindex(VALUES.shape):
        assert top.data[tuple(place[axis] for axis in dims)] == VALUES[place].astype(dtype)


def test_a_matrix_by_hand(dtype):
    np.testing.assert_array_equal(
        run_forward(fields_of((1, 0)), blob_of([[1, 2, 3], [4, 5, 6]], dtype)).data, [[1, 4], [2, 5], [3, 6]]
    )


def test_follows_a_bottom_whose_shape_changes():
    layer, bottom = layer_from(fields_of((2, 0, 1))), blob_of(np.ones((2, 3, 4)))
    top = set_up(layer, [bottom])
    bottom.reshape(3, 1, 2)
    bottom.data[...] = np.arange(6).reshape(3, 1, 2)
    layer.reshape([bottom], top)
    layer.forward([bottom], top)
    np.testing.assert_array_equal(top[0].data, [[[0], [2], [4]], [[1], [3], [5]]])


def test_no_items():
    assert run_forward(fields_of((3, 0, 1, 2)), np.ones((0, 3, 4, 5))).shape == (5, 0, 3, 4)


@pytest.mark.parametrize("dims", [(3, 0, 1, 2), (1, 0, 2, 3)])
def test_gradient(dims):
    check_gradient(fields_of(dims), [VALUES[:, :2, :3, :2]], threshold=1e-8)


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ((), r"transpose_param\.dim is given 0 times; list all 4 axes of the bottom, whose shape is 2 3 4 5 \(120\)"),
        ((0, 2, 1), r"transpose_param\.dim is given 3 times"),
        ((0, 1, 2, 4), r"transpose_param\.dim\[3\] is 4; .* has axes 0 to 3"),
        ((0, 1, 2, -1), r"transpose_param\.dim\[3\] is -1"),
        ((0, 1, 1, 2), r"transpose_param\.dim\[2\] is 1; this axis is listed before"),
    ],
)
def test_refusals(dims, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(dims), VALUES)
