import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

VALUES = np.random.default_rng(1).normal(size=(2, 8, 4, 6))


def fields_of(stride, reverse=False):
    return f'type: "Reorg" reorg_param {{ stride: {stride} reverse: {str(reverse).lower()} }}'


def plain(values, stride, reverse):
    """The definition, pair by pair."""
    num, channels, height, width = values.shape
    part = channels // stride**2
    planes = np.empty(values.size // num)
    result = []
    for item in values:
        a = item.ravel().copy() if reverse else planes.copy()
        a = a.reshape(channels, height, width)
        b = planes.copy() if reverse else item.ravel().copy()
        b = b.reshape(part, height * stride, width * stride)
        for c, h, w in np.ndindex(channels, height, width):
            place = (c % part, h * stride + (c // part) // stride, w * stride + (c // part) % stride)
            if reverse:
                b[place] = a[c, h, w]
            else:
                a[c, h, w] = b[place]
        result.append((b if reverse else a).ravel())
    if reverse:
        return np.reshape(result, (num, part, height * stride, width * stride))
    return np.reshape(result, (num, channels * stride**2, height // stride, width // stride))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_equals_a_plain_version(stride, reverse, dtype):
    top = run_forward(fields_of(stride, reverse), blob_of(VALUES, dtype))
    np.testing.assert_array_equal(top.data, plain(VALUES, stride, reverse).astype(dtype), strict=True)


def test_stride_3_equals_a_plain_version():
    values = np.arange(2 * 9 * 3 * 6.0).reshape(2, 9, 3, 6)
    for reverse in (False, True):
        np.testing.assert_array_equal(run_forward(fields_of(3, reverse), values).data, plain(values, 3, reverse))


def test_one_plane_of_pixels_by_hand(dtype):
    """Where the bottom is 4 planes of one pixel each, reverse makes them one plane in reading order."""
    top = run_forward(fields_of(2, True), blob_of(np.arange(4).reshape(1, 4, 1, 1), dtype))
    np.testing.assert_array_equal(top.data, [[[[0, 1], [2, 3]]]])


def test_it_is_not_space_to_depth(dtype):
    """The memory of 4 planes of 2 x 2, seen as one plane of 4 x 4, is what is taken apart: Darknet's order."""
    top = run_forward(fields_of(2), blob_of(np.arange(16).reshape(1, 4, 2, 2), dtype))
    assert top.shape == (1, 16, 1, 1)
    np.testing.assert_array_equal(top.data.ravel(), [0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15])


@pytest.mark.parametrize("reverse", [False, True])
def test_the_gradient_goes_the_same_way_back(reverse, dtype):
    layer, bottom = layer_from(fields_of(2, reverse), dtype), blob_of(VALUES, dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = top[0].data
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, bottom.data)


@pytest.mark.parametrize("reverse", [False, True])
def test_gradient(reverse):
    check_gradient(fields_of(2, reverse), [VALUES[:, :4, :2, :4]], threshold=1e-8)


def test_other_shapes_and_no_items():
    layer, bottom = layer_from(fields_of(2)), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for shape in ((1, 4, 2, 8), (0, 4, 2, 8)):
        bottom.reshape(*shape)
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        assert top[0].shape == (shape[0], 16, 1, 4)


def test_formula_says_which_side_is_which():
    for reverse, start in (
        (False, "y[n, c, h, w] = x[n, c mod 2, 2 * h + (c // 2) // 2, "),
        (True, "x[n, c, h, w] = y["),
    ):
        layer, bottom = layer_from(fields_of(2, reverse)), blob_of(VALUES)
        top = set_up(layer, [bottom])
        assert layer.formula_with_numbers([bottom], top).startswith(start)
        assert layer.reach(0, [bottom], top) is None


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ('type: "Reorg"', (1, 4, 2, 2), r"reorg_param\.stride is 0; say how many pixels make a step"),
        (fields_of(3), (1, 8, 3, 3), r"reorg_param\.stride is 3; its square must divide the channels, which are 8"),
        (fields_of(3, True), (1, 8, 3, 3), r"its square must divide the channels"),
        (fields_of(2), (1, 8, 3, 2), r"reorg_param\.stride is 2; it must divide height and width, 3 x 2"),
        (fields_of(2), (4, 8, 2), r"bottom\[0\] is 4 8 2 \(64\); Reorg takes images, of 4 axes"),
    ],
)
def test_refusals(text, shape, message):
    with pytest.raises(LayerError, match=message):
        run_forward(text, np.ones(shape))


def test_reverse_takes_sizes_that_the_stride_does_not_divide():
    assert run_forward(fields_of(2, True), np.ones((1, 4, 3, 5))).shape == (1, 1, 6, 10)
