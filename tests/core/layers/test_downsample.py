from fractions import Fraction
from math import ceil

import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, layer_from, run_forward, set_up

RNG = np.random.default_rng(1)
VALUES = RNG.normal(size=(2, 2, 7, 9))


def fields_of(height=0, width=0):
    return f'type: "Downsample" downsample_param {{ top_height: {height} top_width: {width} }}'


def plain(values, height, width):
    """Pixel by pixel: the window about each place, weights that fall from 1 to 0."""
    steps = [(values.shape[2] - 1) / (height - 1), (values.shape[3] - 1) / (width - 1)]
    result = np.empty((*values.shape[:2], height, width))
    for n, c, h, w in np.ndindex(result.shape):
        place = (h * steps[0], w * steps[1])
        total = weights = unknown = 0.0
        for row in range(round(place[0]) - ceil(steps[0]), round(place[0]) + ceil(steps[0]) + 1):
            for column in range(round(place[1]) - ceil(steps[1]), round(place[1]) + ceil(steps[1]) + 1):
                if not (0 <= row < values.shape[2] and 0 <= column < values.shape[3]):
                    continue
                weight = max(0, 1 - abs(row - place[0]) / steps[0]) * max(0, 1 - abs(column - place[1]) / steps[1])
                if np.isnan(values[n, c, row, column]):
                    unknown += weight
                else:
                    total += weight * values[n, c, row, column]
                    weights += weight
        result[n, c, h, w] = total / weights if unknown <= 0.5 * weights else np.nan
    return result


@pytest.mark.parametrize("size", [(4, 3), (3, 5), (2, 2), (7, 4), (7, 9), (6, 8), (5, 7)])
def test_equals_a_plain_version(size, dtype):
    top = run_forward(fields_of(*size), blob_of(VALUES, dtype))
    assert top.shape == (2, 2, *size) and top.dtype == dtype
    np.testing.assert_allclose(top.data, plain(VALUES, *size), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
def test_unknown_pixels_are_left_out(share, dtype):
    values = np.where(np.random.default_rng(3).random(VALUES.shape) < share, np.nan, VALUES)
    top = run_forward(fields_of(4, 5), blob_of(values, dtype))  # weights are halves and quarters: ties are exact
    expected = plain(values, 4, 5)
    assert 0 < np.isnan(expected).mean() < 1
    np.testing.assert_allclose(top.data, expected, rtol=1e-5, atol=1e-6)


def test_by_hand(dtype):
    """At the ends 1 and 1/2 weigh, in the middle 1/2, 1 and 1/2."""
    top = run_forward(fields_of(1, 3), blob_of([[[[3, 6, 0, 4, 1]]]], dtype))
    np.testing.assert_allclose(top.data, [[[[4, 2.5, 2]]]], rtol=1e-6)


def test_half_as_much_unknown_as_known_is_known_yet(dtype):
    top = run_forward(fields_of(1, 3), blob_of([[[[3, np.nan, 0, np.nan, np.nan]]]], dtype))
    np.testing.assert_array_equal(top.data, [[[[3, np.nan, np.nan]]]])


def test_one_row_or_column_is_the_mean_of_all(dtype):
    top = run_forward(fields_of(1, 1), blob_of(VALUES, dtype))
    np.testing.assert_allclose(top.data[..., 0, 0], VALUES.mean((2, 3)), rtol=1e-5)


def test_the_second_bottom_gives_the_sizes_that_are_not_said():
    like = np.ones((1, 5, 4, 3))
    np.testing.assert_allclose(run_forward('type: "Downsample"', VALUES, like).data, plain(VALUES, 4, 3))
    assert run_forward(fields_of(2, 0), VALUES, like).shape == (2, 2, 2, 3)


def test_the_same_size_is_a_copy(dtype):
    np.testing.assert_array_equal(run_forward(fields_of(7, 9), blob_of(VALUES, dtype)).data, VALUES.astype(dtype))


def test_other_shapes_and_no_items():
    layer, bottom = layer_from(fields_of(2, 2)), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for shape in ((1, 3, 2, 6), (0, 3, 2, 3), (2, 2, 6, 5)):
        values = RNG.normal(size=shape)
        bottom.reshape(*shape)
        bottom.data[...] = values
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        np.testing.assert_allclose(top[0].data, plain(values, 2, 2), rtol=1e-12)


def test_reach_and_formula():
    layer, blobs = layer_from(fields_of(4, 5)), [blob_of(VALUES), blob_of(VALUES)]
    top = set_up(layer, blobs)
    assert layer.reach(0, blobs, top) == ((3, 3), (Fraction(2), Fraction(2)))
    assert layer.reach(1, blobs, top) is None
    assert layer.formula_with_numbers(blobs, top) == (
        "y = weighted mean of the 7 x 9 pixels about each place, at most 2 rows and 2 columns away"
    )
    layer = layer_from(fields_of(5, 1))
    assert layer.reach(0, blobs, set_up(layer, blobs)) == ((3, 9), (Fraction(3, 2), Fraction(9)))


def test_has_no_gradient():
    layer, blobs = layer_from(fields_of(2, 2)), [blob_of(VALUES)]
    top = set_up(layer, blobs)
    assert not layer.has_backward and not layer.allow_force_backward(0)
    layer.backward(top, [False], blobs)
    with pytest.raises(LayerError, match="bottom is asked for a gradient; Downsample has none; Interp has one"):
        layer.backward(top, [True], blobs)


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ('type: "Downsample"', [VALUES], r"downsample_param\.top_height is 0; give the size, or a second bottom"),
        (fields_of(2), [VALUES], r"downsample_param\.top_width is 0; give the size"),
        (
            fields_of(2, 10),
            [VALUES],
            r"top_width is 10; use 1 to 9, the size of the bottom; Interp makes images larger",
        ),
        ('type: "Downsample"', [VALUES, np.ones((1, 1, 8, 8))], r"bottom\[1\] is 1 1 8 8 \(64\); use 1 to 7"),
        ('type: "Downsample"', [VALUES, np.ones((8, 8))], r"bottom\[1\] is 8 8 \(64\); it gives the size; use 4 axes"),
        (fields_of(2, 2), [VALUES[..., 0]], r"bottom\[0\] is 2 2 7 \(28\); Downsample takes images"),
    ],
)
def test_refusals(text, values, message):
    with pytest.raises(LayerError, match=message):
        run_forward(text, *values)
