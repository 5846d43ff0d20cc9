from math import ceil, floor

import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up, spread_values

SIZE = "pooled_h: 2 pooled_w: 3"
ROIS = np.array([[0, 0.3, 0.2, 4.1, 5.7], [1, 2, 1, 2, 1], [1, 3, 2, 13, 11], [0, -4, -5, 1, 1], [0, 30, 30, 40, 40]])


def roi_align(fields):
    return f'type: "ROIAlign" roi_align_param {{ {fields} }}'


def sample(plane, y, x):
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    h, w = floor(y), floor(x)
    low, right = min(h + 1, height - 1), min(w + 1, width - 1)
    upper = plane[h, w] * (1 - (x - w)) + plane[h, right] * (x - w)
    lower = plane[low, w] * (1 - (x - w)) + plane[low, right] * (x - w)
    return upper * (1 - (y - h)) + lower * (y - h)


def plain(maps, rois, pooled_h, pooled_w, scale=1.0, ratio=-1):
    top = np.zeros((len(rois), maps.shape[1], pooled_h, pooled_w))
    for r, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (corner * scale for corner in corners)
        height, width = max(y2 - y1, 1) / pooled_h, max(x2 - x1, 1) / pooled_w
        down, across = (ratio if ratio > 0 else ceil(size) for size in (height, width))
        for c, i, j in np.ndindex(top.shape[1:]):
            values = [
                sample(
                    maps[int(image), c],
                    y1 + (i + (a + 0.5) / down) * height,
                    x1 + (j + (b + 0.5) / across) * width,
                )
                for a in range(down)
                for b in range(across)
            ]
            top[r, c, i, j] = sum(values) / len(values)
    return top


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ("", {}),
        ("spatial_scale: 0.5", {"scale": 0.5}),
        ("sampling_ratio: 2", {"ratio": 2}),
        ("sampling_ratio: 1 spatial_scale: 0.25", {"ratio": 1, "scale": 0.25}),
    ],
)
def test_equals_the_plain_loops(fields, options, dtype):
    maps = spread_values((2, 3, 7, 6))
    top = run_forward(roi_align(f"{SIZE} {fields}"), blob_of(maps, dtype), blob_of(ROIS, dtype))
    wanted = plain(maps, ROIS, 2, 3, **options)
    np.testing.assert_allclose(top.data, wanted, rtol=1e-4, atol=1e-4 if dtype == np.float32 else 1e-10)


def test_a_slope_is_read_at_the_middle_of_the_bins(dtype):
    maps = np.arange(8.0) * np.ones((1, 1, 8, 1))  # a pixel holds its column
    top = run_forward(roi_align("pooled_h: 1 pooled_w: 2"), blob_of(maps, dtype), blob_of([[0, 1, 1, 5, 5]], dtype))
    np.testing.assert_allclose(top.data, [[[[2, 4]]]])


@pytest.mark.parametrize("fields", ["", "sampling_ratio: 2 spatial_scale: 0.5"])
def test_gradient(fields):
    bottom = [spread_values((2, 2, 5, 4)), ROIS]
    check_gradient(roi_align(f"{SIZE} {fields}"), bottom, step=1e-3, threshold=1e-6)


def test_takes_other_maps_and_numbers_of_regions():
    layer = layer_from(roi_align(SIZE))
    bottom = [blob_of(spread_values((2, 3, 7, 6))), blob_of(ROIS)]
    top = set_up(layer, bottom)
    for shape, rois in (((2, 3, 3, 9), ROIS[:2]), ((1, 3, 1, 1), ROIS[:1]), ((1, 3, 7, 6), ROIS[:0])):
        maps = spread_values(shape)
        for blob, values in zip(bottom, (maps, rois), strict=True):
            blob.reshape(*values.shape)
            blob.data[...] = values
        layer.reshape(bottom, top)
        layer.forward(bottom, top)
        np.testing.assert_allclose(top[0].data, plain(maps, rois, 2, 3), atol=1e-10)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("pooled_w: 2", r"roi_align_param\.pooled_h is 0; it must be above 0"),
        (f"{SIZE} spatial_scale: -1", r"roi_align_param\.spatial_scale is -1; it must be above 0"),
        (f"{SIZE} roi_end_mode: 1", r"roi_align_param\.roi_end_mode is 1; only 0 is known here"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(roi_align(fields), spread_values((2, 3, 7, 6)), ROIS)


def test_refuses_a_region_of_an_image_that_the_batch_lacks():
    with pytest.raises(LayerError, match=r"bottom\[1\]\[0\] is of image 2; bottom\[0\] has 2 images"):
        run_forward(roi_align(SIZE), spread_values((2, 3, 7, 6)), [[2, 0, 0, 1, 1]])


def test_infinite_values_warn_of_nothing(dtype):
    maps = spread_values((2, 3, 7, 6))
    maps[0, :, 2, 2], maps[0, :, 3, 3] = np.inf, -np.inf
    assert np.isnan(run_forward(roi_align(SIZE), blob_of(maps, dtype), blob_of(ROIS, dtype)).data).any()
