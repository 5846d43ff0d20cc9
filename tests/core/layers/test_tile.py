import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
FOUR = np.arange(1, 5, dtype=float).reshape(2, 2, 1)


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("tile")


@pytest.mark.parametrize(
    ("axis", "content"),
    [(1, [1, 2, 1, 2, 3, 4, 3, 4]), (0, [1, 2, 3, 4, 1, 2, 3, 4]), (2, [1, 1, 2, 2, 3, 3, 4, 4])],
)
def test_values(axis, content, dtype):
    top = run_forward(f'type: "Tile" tile_param {{ axis: {axis} tiles: 2 }}', blob_of(FOUR, dtype))
    np.testing.assert_array_equal(top.data.ravel(), content)


def test_gradients_of_the_copies_add_up(dtype):
    layer, bottom = layer_from('type: "Tile" tile_param { tiles: 2 }', dtype), blob_of(FOUR, dtype)
    top = set_up(layer, [bottom])
    top[0].diff[...] = np.arange(1, 9).reshape(2, 4, 1)
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff.ravel(), [4, 6, 12, 14])


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
@pytest.mark.parametrize("tiles", [1, 3])
def test_equals_numpys_tile(axis, tiles):
    values = RNG.normal(size=(2, 3, 4, 5))
    counts = [1, 1, 1, 1]
    counts[axis] = tiles
    top = run_forward(f'type: "Tile" tile_param {{ axis: {axis} tiles: {tiles} }}', values)
    np.testing.assert_array_equal(top.data, np.tile(values, counts))


@pytest.mark.parametrize(("axis", "tiles"), [(1, 1), (0, 3), (1, 3), (-1, 2)])
def test_gradient(axis, tiles):
    layer = f'type: "Tile" tile_param {{ axis: {axis} tiles: {tiles} }}'
    check_gradient(layer, [RNG.normal(size=(2, 2, 2))], threshold=1e-8)


def test_no_items():
    assert run_forward('type: "Tile" tile_param { tiles: 2 }', np.ones((0, 4))).shape == (0, 8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", r"tile_param\.tiles is 0; say how many copies"),
        ("tiles: -1", r"tile_param\.tiles is -1"),
        ("tiles: 2 axis: 3", r"tile_param\.axis is 3; a blob of shape 2 2 1 \(4\) has axes -3 to 2"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(f'type: "Tile" tile_param {{ {fields} }}', FOUR)


def test_refuses_in_place_use():
    layer, bottom = layer_from('type: "Tile" tile_param { tiles: 1 }'), blob_of(FOUR)
    with pytest.raises(LayerError, match="Tile does not work in place"):
        layer.reshape([bottom], [bottom])
