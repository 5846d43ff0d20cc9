from math import ceil, floor

import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up, spread_values

FIELDS = "spatial_scale: 0.5 output_dim: 2 group_size: 3"
ROIS = np.array([[0, 0, 0, 9, 11], [1, 2, 1, 2, 1], [1, 3, 2, 30, 9], [0, 40, 40, 50, 50], [0, 9, 9, 1, 1]])


def psroi_pooling(fields):
    return f'type: "PSROIPooling" psroi_pooling_param {{ {fields} }}'


def nearest(value):
    return floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def plain(maps, rois, scale, depth, group):
    top = np.zeros((len(rois), depth, group, group))
    for r, (image, *corners) in enumerate(rois):
        x1, y1 = (nearest(corner) * scale for corner in corners[:2])
        x2, y2 = ((nearest(corner) + 1) * scale for corner in corners[2:])
        height, width = max(y2 - y1, 0.1) / group, max(x2 - x1, 0.1) / group
        for d, i, j in np.ndindex(depth, group, group):
            pixels = [
                maps[int(image), (d * group + i) * group + j, h, w]
                for h in range(max(floor(i * height + y1), 0), min(ceil((i + 1) * height + y1), maps.shape[2]))
                for w in range(max(floor(j * width + x1), 0), min(ceil((j + 1) * width + x1), maps.shape[3]))
            ]
            top[r, d, i, j] = sum(pixels) / len(pixels) if pixels else 0
    return top


@pytest.mark.parametrize("scale", [0.5, 1, 0.0625])
def test_equals_the_plain_loops(scale, dtype):
    maps = spread_values((2, 18, 7, 6))
    fields = f"spatial_scale: {scale} output_dim: 2 group_size: 3"
    top = run_forward(psroi_pooling(fields), blob_of(maps, dtype), blob_of(ROIS, dtype))
    wanted = plain(maps, ROIS, scale, 2, 3)
    np.testing.assert_allclose(top.data, wanted, rtol=1e-4, atol=1e-4 if dtype == np.float32 else 1e-10)


def test_each_bin_reads_a_channel_of_its_own(dtype):
    maps = np.arange(8.0).reshape(1, 8, 1, 1) * np.ones((1, 8, 4, 4))  # channel c holds c
    top = run_forward(
        psroi_pooling("spatial_scale: 1 output_dim: 2 group_size: 2"),
        blob_of(maps, dtype),
        blob_of([[0, 0, 0, 3, 3]], dtype),
    )
    np.testing.assert_array_equal(top.data, [[[[0, 1], [2, 3]], [[4, 5], [6, 7]]]])


def test_gradient():
    check_gradient(psroi_pooling(FIELDS), [spread_values((2, 18, 5, 4)), ROIS], step=1e-3, threshold=1e-6)


def test_takes_other_maps_and_numbers_of_regions():
    layer = layer_from(psroi_pooling(FIELDS))
    bottom = [blob_of(spread_values((2, 18, 7, 6))), blob_of(ROIS)]
    top = set_up(layer, bottom)
    for shape, rois in (((2, 18, 3, 9), ROIS[:2]), ((1, 18, 7, 6), ROIS[:0]), ((2, 18, 7, 6), ROIS)):
        maps = spread_values(shape)
        for blob, values in zip(bottom, (maps, rois), strict=True):
            blob.reshape(*values.shape)
            blob.data[...] = values
        layer.reshape(bottom, top)
        layer.forward(bottom, top)
        np.testing.assert_allclose(top[0].data, plain(maps, rois, 0.5, 2, 3), atol=1e-10)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("output_dim: 2 group_size: 3", r"psroi_pooling_param\.spatial_scale is not given; it must be above 0"),
        ("spatial_scale: 1 group_size: 3", r"psroi_pooling_param\.output_dim is not given"),
        ("spatial_scale: 1 output_dim: 2 group_size: 0", r"psroi_pooling_param\.group_size is 0; it must be above 0"),
        (
            "spatial_scale: 1 output_dim: 3 group_size: 3",
            r"bottom\[0\] is 2 18 7 6 \(1512\); output_dim 3 \* group_size 3\^2 needs 27 channels",
        ),
    ],
)
def test_refuses(fields, message):
    layer = layer_from(psroi_pooling(FIELDS))
    layer.layer_param.psroi_pooling_param.Clear()
    for name, value in zip(*[iter(fields.replace(":", "").split())] * 2, strict=True):
        setattr(layer.layer_param.psroi_pooling_param, name, int(value))
    with pytest.raises(LayerError, match=message):
        run_forward(layer, spread_values((2, 18, 7, 6)), ROIS)


def test_refuses_a_region_of_an_image_that_the_batch_lacks():
    with pytest.raises(LayerError, match=r"bottom\[1\]\[0\] is of image 2; bottom\[0\] has 2 images"):
        run_forward(psroi_pooling(FIELDS), spread_values((2, 18, 7, 6)), [[2, 0, 0, 1, 1]])


def test_infinite_values_warn_of_nothing(dtype):
    maps = spread_values((2, 18, 7, 6))
    maps[0, :, 2, 2], maps[0, :, 3, 3] = np.inf, -np.inf
    assert np.isnan(run_forward(psroi_pooling(FIELDS), blob_of(maps, dtype), blob_of(ROIS, dtype)).data).any()
