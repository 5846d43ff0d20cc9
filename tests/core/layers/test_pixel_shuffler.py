import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values


def shuffler(fields):
    return f'type: "Reshape" reshape_param {{ {fields} }}'


def shuffled(x, r):
    """A value at a time, by the rule of the fork: channel c of the bottom goes to row (c / r) mod r, column c mod r."""
    num, channels, height, width = x.shape
    y = np.zeros((num, channels // r**2, height * r, width * r))
    for n, c, h, w in np.ndindex(*x.shape):
        y[n, c // r**2, h * r + c // r % r, w * r + c % r] = x[n, c, h, w]
    return y


@pytest.mark.parametrize("r", [2, 3])
def test_values(r, dtype):
    x = spread_values((2, 2 * r * r, 3, 4))
    top = run_forward(shuffler(f"pixelshuffler: {r}"), blob_of(x, dtype))
    np.testing.assert_array_equal(top.data, shuffled(x.astype(dtype), r))


def test_values_by_hand():
    top = run_forward(shuffler("pixelshuffler: 2"), np.arange(8).reshape(1, 4, 1, 2))
    np.testing.assert_array_equal(top.data, [[[[0, 2, 1, 3], [4, 6, 5, 7]]]])


def test_gradient():
    check_gradient(shuffler("pixelshuffler: 2"), [spread_values((2, 8, 3, 2))], threshold=1e-7)


def test_the_gradient_takes_the_way_back(dtype):
    layer, bottom = layer_from(shuffler("pixelshuffler: 2"), dtype), blob_of(spread_values((2, 8, 3, 2)), dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = top[0].data
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, bottom.data)


def test_other_sizes_and_an_empty_batch():
    layer, bottom = layer_from(shuffler("pixelshuffler: 2")), blob_of(spread_values((2, 8, 3, 2)))
    top = set_up(layer, [bottom])
    for shape in ((1, 4, 5, 6), (0, 4, 5, 6), (2, 8, 3, 2)):
        bottom.reshape(*shape)
        bottom.data[...] = spread_values(shape)
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        run_backward(layer, [bottom], top)
        np.testing.assert_array_equal(top[0].data, shuffled(bottom.data, 2))


def test_a_pixelshuffler_of_1_is_a_reshape():
    top = run_forward(shuffler("pixelshuffler: 1 shape { dim: 0 dim: -1 }"), spread_values((2, 4, 3)))
    assert top.shape == (2, 12)


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ("pixelshuffler: 0", (1, 4, 2, 2), r"reshape_param\.pixelshuffler is 0; use 2 or more"),
        ("pixelshuffler: -2", (1, 4, 2, 2), r"reshape_param\.pixelshuffler is -2; use 2 or more"),
        ("pixelshuffler: 2 shape { dim: 1 }", (1, 4, 2, 2), r"reshape_param\.shape is given beside pixelshuffler"),
        ("pixelshuffler: 2 axis: 1", (1, 4, 2, 2), r"reshape_param\.axis is given beside pixelshuffler"),
        ("pixelshuffler: 2", (1, 6, 2, 2), r"bottom\[0\] is 1 6 2 2 \(24\); .* a multiple of pixelshuffler\^2, 4"),
        ("pixelshuffler: 2", (4, 4), r"bottom\[0\] is 4 4 \(16\); use \(N, C, H, W\)"),
    ],
)
def test_refusals(fields, shape, message):
    with pytest.raises(LayerError, match=message):
        run_forward(shuffler(fields), np.ones(shape))
