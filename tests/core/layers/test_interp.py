from fractions import Fraction

import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
VALUES = RNG.normal(size=(2, 2, 5, 7))


def fields_of(fields=""):
    return f'type: "Interp" interp_param {{ {fields} }}'


def plain(values, height, width):
    """Pixel by pixel, places in float32."""
    result = np.empty((*values.shape[:2], height, width))
    for h, w in np.ndindex(height, width):
        rows, columns = (
            pair(at, size, new) for at, size, new in ((h, values.shape[2], height), (w, values.shape[3], width))
        )
        result[:, :, h, w] = sum(
            a * b * values[:, :, row, column].astype(np.float64) for row, a in rows for column, b in columns
        )
    return result


def pair(at, size, new):
    step = np.float32(size - 1) / np.float32(new - 1) if new > 1 else np.float32(0)
    place = np.float32(at) * step
    before = int(place)
    share = float(place - np.float32(before))
    return (before, 1 - share), (min(before + 1, size - 1), share)


SIZES = [
    ("height: 9 width: 13", (9, 13)),
    ("height: 3 width: 4", (3, 4)),
    ("height: 1 width: 1", (1, 1)),
    ("height: 5 width: 20", (5, 20)),
    ("zoom_factor: 2", (9, 13)),
    ("zoom_factor: 3", (13, 19)),
    ("shrink_factor: 2", (3, 4)),
    ("shrink_factor: 3", (2, 3)),
    ("shrink_factor: 2 zoom_factor: 3", (7, 10)),
    ("height: 9 width: 13 zoom_factor: 3", (13, 19)),
    ("height: 9 width: 13 shrink_factor: 2", (3, 4)),
    ("height: 9 width: 13 shrink_factor: 2 zoom_factor: 3", (9, 13)),
    ("shrink_factor: 1", (5, 7)),
]


@pytest.mark.parametrize(("fields", "size"), SIZES)
def test_equals_a_plain_version(fields, size, dtype):
    top = run_forward(fields_of(fields), blob_of(VALUES, dtype))
    assert top.shape == (2, 2, *size) and top.dtype == dtype
    rtol = 1e-5 if dtype == np.float32 else 1e-7
    np.testing.assert_allclose(top.data, plain(VALUES, *size), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("size", [(60, 473), (473, 60), (71, 713)])
def test_places_are_those_of_float32_also_for_large_images(size):
    values = RNG.normal(size=(1, 1, 60, 60))
    top = run_forward(fields_of(f"height: {size[0]} width: {size[1]}"), values)
    np.testing.assert_allclose(top.data, plain(values, *size), rtol=1e-6, atol=1e-6)


def test_by_hand(dtype):
    top = run_forward(fields_of("zoom_factor: 2"), blob_of([[[[0, 4], [8, 12]]]], dtype))
    np.testing.assert_array_equal(top.data, [[[[0, 2, 4], [4, 6, 8], [8, 10, 12]]]])


def test_pads_cut_rows_and_columns_off(dtype):
    top = run_forward(fields_of("pad_beg: -1 pad_end: -2 zoom_factor: 2"), blob_of(VALUES, dtype))
    np.testing.assert_allclose(top.data, plain(VALUES[:, :, 1:3, 1:5], 3, 7), rtol=1e-5, atol=1e-6)
    top = run_forward(fields_of("pad_beg: -1 height: 4 width: 6"), blob_of(VALUES, dtype))
    np.testing.assert_array_equal(top.data, VALUES[:, :, 1:, 1:].astype(dtype))


def test_the_second_bottom_gives_the_size(dtype):
    like = np.ones((1, 9, 9, 13))
    top = run_forward('type: "Interp"', blob_of(VALUES, dtype), blob_of(like, dtype))
    np.testing.assert_allclose(top.data, plain(VALUES, 9, 13), rtol=1e-5, atol=1e-6)
    top = run_forward(fields_of("pad_beg: -1"), VALUES, like)
    np.testing.assert_allclose(top.data, plain(VALUES[:, :, 1:, 1:], 9, 13), rtol=1e-6, atol=1e-6)


def test_one_pixel_fills_the_top(dtype):
    np.testing.assert_array_equal(
        run_forward(fields_of("height: 6 width: 3"), blob_of([[[[5]]]], dtype)).data, np.full((1, 1, 6, 3), 5)
    )


def test_a_pixel_of_weight_0_does_not_count():
    top = run_forward(fields_of("zoom_factor: 2"), [[[[1.0, np.inf], [2.0, np.nan]]]])
    np.testing.assert_array_equal(top.data[0, 0], [[1, np.inf, np.inf], [1.5, np.nan, np.nan], [2, np.nan, np.nan]])


@pytest.mark.parametrize(
    "fields",
    [
        "zoom_factor: 2",
        "shrink_factor: 2",
        "height: 3 width: 6 pad_beg: -1",
        "height: 4 width: 4 pad_end: -1",
        "height: 1 width: 5",
    ],
)
def test_gradient(fields):
    check_gradient(fields_of(fields), [VALUES[:1, :, :5, :5]], threshold=1e-6)


def test_gradients_of_both_bottoms_by_hand(dtype):
    layer = layer_from('type: "Interp"', dtype)
    blobs = [blob_of([[[[1, 2]]]], dtype), blob_of(np.ones((1, 1, 1, 3)), dtype)]
    top = set_up(layer, blobs)
    layer.forward(blobs, top)
    top[0].diff[...] = [[[[1, 10, 100]]]]
    blobs[1].diff[...] = 7
    assert not layer.allow_force_backward(1)
    run_backward(layer, blobs, top, [True, True])
    np.testing.assert_array_equal(blobs[0].diff, [[[[6, 105]]]])
    np.testing.assert_array_equal(blobs[1].diff, 0)


def test_other_shapes_and_no_items():
    layer, bottom = layer_from(fields_of("zoom_factor: 2")), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for shape in ((1, 3, 2, 3), (0, 3, 2, 3), (2, 2, 6, 5)):
        values = RNG.normal(size=shape)
        bottom.reshape(*shape)
        bottom.data[...] = values
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        layer.backward(top, [True], [bottom])
        np.testing.assert_allclose(top[0].data, plain(values, 2 * shape[2] - 1, 2 * shape[3] - 1), rtol=1e-6, atol=1e-6)


def test_reach_and_formula():
    layer, blobs = layer_from(fields_of("pad_end: -1 height: 7 width: 3")), [blob_of(np.ones((1, 1, 5, 6)))]
    top = set_up(layer, blobs)
    assert layer.reach(0, blobs, top) == ((2, 1), (Fraction(1, 2), Fraction(2)))
    assert layer.formula_with_numbers(blobs, top) == (
        "y[n, c, h, w] = x[n, c, h * 3 / 6, w * 4 / 2], linear between pixels, without 0 rows and columns before and "
        "1 behind"
    )
    layer, blobs = layer_from('type: "Interp"'), [blob_of(VALUES), blob_of(VALUES)]
    assert layer.reach(1, blobs, set_up(layer, blobs)) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", r"interp_param is without a size; give height and width, zoom_factor, shrink_factor, or a second bottom"),
        ("height: 4", r"interp_param is without a size"),
        ("height: 4 width: 0", r"interp_param\.width is 0; use 1 or more"),
        ("zoom_factor: 0", r"interp_param\.zoom_factor is 0"),
        ("shrink_factor: -2", r"interp_param\.shrink_factor is -2"),
        ("zoom_factor: 2 pad_beg: 1", r"interp_param\.pad_beg is 1; use 0, or -1"),
        ("zoom_factor: 2 pad_end: 3", r"interp_param\.pad_end is 3"),
        ("zoom_factor: 2 pad_beg: -5", r"interp_param\.pad_beg is -5; nothing is left of 5 x 7"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(fields), VALUES)


@pytest.mark.parametrize("fields", ["zoom_factor: 2", "shrink_factor: 2", "height: 2 width: 2"])
def test_refuses_two_sizes(fields):
    with pytest.raises(LayerError, match=r"interp_param\.\w+ is 2; bottom\[1\] gives the size; take one of them out"):
        run_forward(fields_of(fields), VALUES, VALUES)


def test_refuses_bottoms_that_are_no_images():
    with pytest.raises(LayerError, match=r"bottom\[0\] is 2 2 5 \(20\); Interp takes images, of 4 axes"):
        run_forward(fields_of("zoom_factor: 2"), VALUES[..., 0])
    with pytest.raises(LayerError, match=r"bottom\[1\] is 2 2 5 \(20\); it gives the size; it needs 4 axes"):
        run_forward(fields_of(), VALUES, VALUES[..., 0])
    with pytest.raises(LayerError, match=r"bottom\[1\] is 1 1 0 3 \(0\); it gives the size, and has no pixels"):
        run_forward(fields_of(), VALUES, np.ones((1, 1, 0, 3)))
