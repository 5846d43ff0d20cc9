from math import ceil, floor

import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

SIZE = "pooled_h: 2 pooled_w: 3"
ROIS = np.array(
    [
        [0, 0, 0, 4, 5],
        [1, 2, 1, 2, 1],  # one pixel
        [1, 3, 2, 12, 9],  # beyond the map
        [0, -4, -5, 1, 1],
        [0, 4, 4, 1, 1],  # inside out
        [0, 30, 30, 40, 40],  # outside
        [1, 0.5, 1.5, 2.5, 3.49],  # corners between pixels
    ]
)


def roi_pooling(fields):
    return f'type: "ROIPooling" roi_pooling_param {{ {fields} }}'


def nearest(value):
    return floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def plain(maps, rois, pooled_h, pooled_w, scale):
    """Bin after bin, pixel after pixel; the largest values, and for each its place (row, column) or None."""
    top = np.zeros((len(rois), maps.shape[1], pooled_h, pooled_w))
    places = {}
    for r, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (nearest(corner * s) for corner, s in zip(corners, scale * 2, strict=True))
        height, width = max(y2 - y1 + 1, 1) / pooled_h, max(x2 - x1 + 1, 1) / pooled_w
        for c, i, j in np.ndindex(top.shape[1:]):
            pixels = [
                (h, w)
                for h in range(floor(i * height) + y1, ceil((i + 1) * height) + y1)
                for w in range(floor(j * width) + x1, ceil((j + 1) * width) + x1)
                if 0 <= h < maps.shape[2] and 0 <= w < maps.shape[3]
            ]
            for pixel in pixels:
                if (r, c, i, j) not in places or maps[int(image), c][pixel] > top[r, c, i, j]:
                    top[r, c, i, j], places[r, c, i, j] = maps[int(image), c][pixel], pixel
    return top, places


@pytest.mark.parametrize(
    ("fields", "scale"),
    [("", (1, 1)), ("spatial_scale: 0.5", (0.5, 0.5)), ("spatial_scale_h: 0.5 spatial_scale_w: 0.75", (0.75, 0.5))],
)
def test_equals_the_plain_loops(fields, scale, dtype):
    maps = spread_values((2, 3, 7, 6))
    top = run_forward(roi_pooling(f"{SIZE} {fields}"), blob_of(maps, dtype), blob_of(ROIS, dtype))
    np.testing.assert_allclose(top.data, plain(maps, ROIS, 2, 3, scale)[0], rtol=1e-6)


def test_quarters_by_hand(dtype):
    maps = blob_of(np.arange(16).reshape(1, 1, 4, 4), dtype)
    top = run_forward(roi_pooling("pooled_h: 2 pooled_w: 2"), maps, blob_of([[0, 0, 0, 3, 3], [0, 1, 1, 3, 3]], dtype))
    np.testing.assert_array_equal(top.data, [[[[5, 7], [13, 15]]], [[[10, 11], [14, 15]]]])


def test_halves_are_rounded_away_from_zero():
    maps = np.arange(16.0).reshape(1, 1, 4, 4)
    top = run_forward(roi_pooling("pooled_h: 1 pooled_w: 1"), maps, [[0, 0, 0, 0.5, 0.5], [0, 0, 0, 2.5, 1.49]])
    np.testing.assert_array_equal(top.data.ravel(), [5, 7])


def test_pooled_size_of_intel():
    maps = spread_values((2, 3, 7, 6))
    for fields, shape in (("pooled_size: 2 pooled_size: 3", (2, 3)), ("pooled_size: 2", (2, 2))):
        top = run_forward(roi_pooling(fields), maps, ROIS)
        np.testing.assert_allclose(top.data, plain(maps, ROIS, *shape, (1, 1))[0])


def test_gradient():
    check_gradient(roi_pooling(SIZE), [spread_values((2, 2, 7, 6)), ROIS], step=1e-4, threshold=1e-6)


def test_the_first_of_equal_values_gets_the_gradient_and_others_none():
    layer = layer_from(roi_pooling("pooled_h: 1 pooled_w: 1"))
    bottom = [blob_of(np.ones((1, 1, 3, 3))), blob_of([[0, 1, 1, 2, 2], [0, 1, 1, 2, 2]])]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    top[0].diff[...] = [[[[2]]], [[[3]]]]
    bottom[0].diff[...] = 100
    run_backward(layer, bottom, top)
    np.testing.assert_array_equal(bottom[0].diff[0, 0], [[0, 0, 0], [0, 5, 0], [0, 0, 0]])


def test_takes_other_numbers_of_regions_and_none():
    layer, maps = layer_from(roi_pooling(SIZE)), spread_values((2, 3, 7, 6))
    bottom = [blob_of(maps), blob_of(ROIS.reshape(-1, 5, 1, 1))]
    top = set_up(layer, bottom)
    for rois in (ROIS, ROIS[:0], ROIS[1:3]):
        bottom[1].reshape(*rois.shape)
        bottom[1].data[...] = rois
        layer.reshape(bottom, top)
        layer.forward(bottom, top)
        np.testing.assert_array_equal(top[0].data, plain(maps, rois, 2, 3, (1, 1))[0])
        run_backward(layer, bottom, top)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("pooled_w: 2", r"roi_pooling_param\.pooled_h is 0; use 1 or more bins"),
        ("pooled_h: 2", r"roi_pooling_param\.pooled_w is 0; use 1 or more bins"),
        ("pooled_size: [1, 2, 3]", r"roi_pooling_param\.pooled_size is given 3 times; give height and width"),
        (f"{SIZE} spatial_scale: 0", r"roi_pooling_param\.spatial_scale is 0; give pixels of the map"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(roi_pooling(fields), spread_values((2, 3, 7, 6)), ROIS)


@pytest.mark.parametrize(
    ("shape", "rois", "message"),
    [
        ((2, 3, 7), [[0] * 5], r"bottom\[0\] is 2 3 7 \(42\); it must be \(num, channels, height, width\)"),
        ((2, 3, 0, 6), [[0] * 5], r"bottom\[0\] is 2 3 0 6 \(0\); .* with 1 pixel or more"),
        ((2, 3, 7, 6), [[0] * 4], r"bottom\[1\] is 1 4 \(4\); it must be \(R, 5\)"),
        ((2, 3, 7, 6), [[0] * 5, [2, 0, 0, 1, 1]], r"bottom\[1\]\[1\] is of image 2; bottom\[0\] has 2 images"),
        ((2, 3, 7, 6), [[-1, 0, 0, 1, 1]], r"bottom\[1\]\[0\] is of image -1"),
        ((2, 3, 7, 6), [[np.nan, 0, 0, 1, 1]], r"bottom\[1\]\[0\] is of image nan"),
        ((2, 3, 7, 6), [[0, 0, 0, np.nan, 1]], r"bottom\[1\]\[0\] is at 0, 0, nan, 1; corners are numbers of at most"),
        ((2, 3, 7, 6), [[0, 0, 0, 1e30, 1]], r"bottom\[1\]\[0\] is at 0, 0, 1e\+30, 1"),
    ],
)
def test_refuses_bottoms(shape, rois, message):
    with pytest.raises(LayerError, match=message):
        run_forward(roi_pooling(SIZE), np.zeros(shape), rois)


def test_refuses_the_gradient_of_regions():
    layer, bottom = layer_from(roi_pooling(SIZE)), [blob_of(spread_values((2, 3, 7, 6))), blob_of(ROIS)]
    with pytest.raises(LayerError, match=r"propagate_down\[1\] is true; regions get no gradient"):
        run_backward(layer, bottom, set_up(layer, bottom), [True, True])
