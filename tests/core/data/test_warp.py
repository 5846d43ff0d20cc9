import math
import sys

import numpy as np
import pytest

from caffelite.core.data.augmentation import Geometry
from caffelite.core.data.warp import check_opencv, warped
from caffelite.core.errors import LayerError
from caffelite.proto.caffe_pb2 import AugmentationParameter

pytest.importorskip("cv2")

BORDERS = {"REFLECT": "reflect", "REPLICATE": "edge", "MEAN": "constant"}  # in the words of np.pad
FAR = 60  # pixels outside of the image, more than any crop here reaches
GEOMETRIES = [
    Geometry(math.radians(30)),
    Geometry(0, 0.6, 0.6),
    Geometry(0, 1.5, 1.5),
    Geometry(0, 1.2, 0.8),
    Geometry(math.radians(-100), 0.7, 1.1),
]


def waves(channels=3, height=30, width=40):
    """Smooth images, since OpenCV rounds places to 1/32 of a pixel."""
    h, w, c = np.mgrid[:height, :width, :channels]
    return (128 + 60 * np.sin(h / 7 + c) + 60 * np.cos(w / 9 - c)).astype(np.float32).transpose(2, 0, 1)


def by_numpy(image, geometry, offsets, size, border, means):
    """What is seen at each pixel of the crop: its place is turned back about the crop's middle, and interpolated."""
    h, w = np.mgrid[: size[0], : size[1]]
    up, right = (size[0] - 1) / 2 - h, w - (size[1] - 1) / 2
    turned = (right + 1j * up) * np.exp(-1j * geometry.angle)
    rows = (size[0] - 1) / 2 - turned.imag / geometry.height + offsets[0] + FAR
    columns = (size[1] - 1) / 2 + turned.real / geometry.width + offsets[1] + FAR
    return [bilinear(padded(*each, border), rows, columns) for each in zip(image, means, strict=True)]


def padded(plane, mean, border):
    return np.pad(plane, FAR, BORDERS[border], **({"constant_values": mean} if border == "MEAN" else {}))


def bilinear(plane, rows, columns):
    h, w = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = rows - h, columns - w
    upper = (1 - right) * plane[h, w] + right * plane[h, w + 1]
    lower = (1 - right) * plane[h + 1, w] + right * plane[h + 1, w + 1]
    return (1 - down) * upper + down * lower


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_equals_numpys_resampling(geometry, border):
    image, offsets, size, means = waves(), (5, 8), (20, 25), [100.0, 110.0, 120.0]
    got = warped(image, geometry, offsets, size, AugmentationParameter.Border.Value(border), means)
    assert got.shape == (3, *size)
    wanted = np.array(by_numpy(image, geometry, offsets, size, border, means))
    assert np.abs(got - wanted).mean() < 0.3
    assert np.abs(got - wanted).max() < 4  # a place off by 1/64 at the edge to the mean


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_planes_and_pixels_side_by_side_are_resampled_alike(channels):
    image = waves(channels).astype(np.uint8)
    view = np.ascontiguousarray(image.transpose(1, 2, 0)).transpose(2, 0, 1)
    results = [
        warped(each, GEOMETRIES[4], (5, 8), (20, 25), AugmentationParameter.MEAN, [9.0] * channels)
        for each in (image, view)
    ]
    assert results[0].dtype == np.uint8
    assert np.abs(results[0].astype(int) - results[1]).max() <= 1


def test_a_quarter_turn_is_numpys():
    image = waves(2, 21, 21)
    got = warped(image, Geometry(math.radians(90)), (0, 0), (21, 21), AugmentationParameter.REFLECT, [0, 0])
    np.testing.assert_allclose(got, np.rot90(image, axes=(1, 2)), atol=1e-3)


def test_refuses_images_that_opencv_cannot_turn():
    image = np.zeros((1, 1, 40000), np.uint8)
    try:
        assert warped(image, GEOMETRIES[0], (0, 0), (1, 40000), AugmentationParameter.REFLECT, [0]).shape[2] == 40000
    except LayerError as err:
        assert "OpenCV cannot turn or zoom an image of 1 x 40000" in str(err)


def test_without_opencv(monkeypatch):
    check_opencv()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(LayerError, match=r"augmentation is set, with rotation.*pip install 'caffelite\[image\]'"):
        check_opencv()


@pytest.mark.parametrize("channels", [1, 3])
def test_float64_is_resampled_as_float32(channels):
    """Noise, so that a 32nd of a pixel is some grey levels."""
    image = np.random.default_rng(1).uniform(0, 255, (channels, 24, 28))
    results = [
        warped(image.astype(dtype), Geometry(0.3, 1.1, 0.9), (3, 5), (13, 13), 0, [0.0] * channels)
        for dtype in (np.float32, np.float64)
    ]
    assert results[1].dtype == np.float64
    np.testing.assert_array_equal(results[1], results[0])
