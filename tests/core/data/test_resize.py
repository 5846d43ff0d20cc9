import sys

import numpy as np
import pytest

from caffelite.core.data.resize import resize_image
from caffelite.core.errors import UsageError

RAMP = np.arange(16, dtype=np.float64).reshape(4, 4, 1)
TABLE = np.array(  # of no pattern that a shift or a swapped axis would keep
    [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3], [5, 8, 9, 7, 9], [3, 2, 3, 8, 4]], np.float32
)[:, :, np.newaxis]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("size", "rows"),
    [
        ((2, 2), [[2.5, 4.5], [10.5, 12.5]]),
        ((3, 3), [[0.8333, 2.1667, 3.5], [6.1667, 7.5, 8.8333], [11.5, 12.8333, 14.1667]]),
        (
            (8, 8),
            [
                [0, 0.1875, 0.5625, 0.9375, 1.3125, 1.6875, 2.0625, 1.6875],
                [0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 3],
            ],
        ),
    ],
)
def test_what_pycaffe_makes_of_1_or_3_channels(size, rows, channels):
    resized = resize_image(np.repeat(RAMP, channels, 2), size)
    assert (resized.shape, resized.dtype) == ((*size, channels), np.float32)
    for channel in range(channels):
        np.testing.assert_allclose(resized[: len(rows), :, channel], rows, atol=5e-5)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize(
    ("size", "rows"), [((2, 2), [[0, 3], [12, 15]]), ((3, 3), [[0, 1.5, 3], [6, 7.5, 9], [12, 13.5, 15]])]
)
def test_other_channels_keep_their_corners(size, rows, channels):
    resized = resize_image(np.repeat(RAMP, channels, 2), size)
    assert (resized.shape, resized.dtype) == ((*size, channels), np.float32)
    for channel in range(channels):
        np.testing.assert_allclose(resized[:, :, channel], rows, atol=1e-6)


def test_a_size_of_1_takes_the_first_corner():
    assert resize_image(np.repeat(RAMP, 2, 2), (1, 2))[:, :, 1].tolist() == [[0, 3]]


def test_smoothed_as_scikit_image_does():
    resized = resize_image(RAMP, (2, 2), anti_aliasing=True)
    np.testing.assert_allclose(resized[:, :, 0], [[2.62, 4.2597], [9.1786, 10.8182]], atol=5e-5)
    np.testing.assert_array_equal(resize_image(RAMP, (8, 8), anti_aliasing=True), resize_image(RAMP, (8, 8)))


# scikit-image 0.26 and SciPy 1.17, with low, high = TABLE.min(), TABLE.max():
#   skimage.transform.resize((TABLE - low) / (high - low), (3, 7), order=order, mode="constant",
#                            anti_aliasing=smooth) * (high - low) + low
SKIMAGE = {
    (0, False): [
        [3.0, 1.0, 1.0, 4.0, 1.0, 1.0, 5.0],
        [5.0, 8.0, 8.0, 9.0, 7.0, 7.0, 9.0],
        [3.0, 2.0, 2.0, 3.0, 8.0, 8.0, 4.0],
    ],
    (1, False): [
        [3.5714, 2.381, 2.0714, 4.3333, 2.4286, 2.9524, 4.1429],
        [6.1429, 5.8571, 5.7143, 7.5, 6.4286, 6.0, 5.2857],
        [3.0, 3.1429, 3.2857, 4.0, 6.7381, 6.5476, 4.2857],
    ],
    (1, True): [
        [3.5714, 2.381, 2.0714, 4.3333, 2.4286, 2.9524, 4.1429],
        [6.1429, 5.8571, 5.7143, 7.5, 6.4286, 6.0, 5.2857],
        [3.0, 3.1429, 3.2857, 4.0, 6.7381, 6.5476, 4.2857],
    ],
    (3, False): [
        [4.0415, 1.9983, 1.5904, 4.3442, 2.0512, 2.7741, 4.6839],
        [7.1528, 6.7861, 6.0682, 8.1692, 6.7114, 6.2553, 5.6021],
        [2.9896, 3.3784, 2.9319, 4.0433, 7.6228, 7.8719, 4.3662],
    ],
    (3, True): [
        [4.0415, 1.9983, 1.5904, 4.3442, 2.0512, 2.7741, 4.6839],
        [7.1528, 6.7861, 6.0682, 8.1692, 6.7114, 6.2553, 5.6021],
        [2.9896, 3.3784, 2.9319, 4.0433, 7.6228, 7.8719, 4.3662],
    ],
}
# scipy.ndimage.zoom(TABLE.repeat(2, 2), (3 / 4, 7 / 5, 1), order=order)[:, :, 1]
ZOOM = {
    0: [[3.0, 1.0, 1.0, 4.0, 1.0, 1.0, 5.0], [5.0, 8.0, 8.0, 9.0, 7.0, 7.0, 9.0], [3.0, 2.0, 2.0, 3.0, 8.0, 8.0, 4.0]],
    1: [
        [3.0, 1.6667, 2.0, 4.0, 2.0, 2.3333, 5.0],
        [7.0, 5.6667, 5.8333, 7.5, 6.5, 6.0, 6.0],
        [3.0, 2.3333, 2.3333, 3.0, 6.3333, 6.6667, 4.0],
    ],
    3: [
        [3.0, 1.3915, 1.9365, 4.0, 1.619, 2.164, 5.0],
        [8.0, 6.3991, 6.5248, 8.5, 7.2483, 6.1101, 6.375],
        [3.0, 2.4418, 1.7116, 3.0, 7.1402, 6.8915, 4.0],
    ],
}


@pytest.mark.parametrize(("order", "anti_aliasing"), SKIMAGE)
def test_numbers_of_scikit_image(order, anti_aliasing):
    if order > 1:
        pytest.importorskip("scipy")
    resized = resize_image(TABLE, (3, 7), order, anti_aliasing=anti_aliasing)
    np.testing.assert_allclose(resized[:, :, 0], SKIMAGE[order, anti_aliasing], atol=2e-4)


@pytest.mark.parametrize("order", ZOOM)
def test_numbers_of_scipy(order):
    if order > 1:
        pytest.importorskip("scipy")
    resized = resize_image(TABLE.repeat(2, 2), (3, 7), order)
    np.testing.assert_allclose(resized[:, :, 1], ZOOM[order], atol=2e-4)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_the_same_size_is_the_same_image_and_a_copy(channels, order):
    image = np.random.default_rng(1).normal(size=(5, 4, channels)).astype(np.float32)
    resized = resize_image(image, np.array([5, 4]), order)
    np.testing.assert_array_equal(resized, image)
    assert not np.shares_memory(resized, image)


@pytest.mark.parametrize("size", [(3, 3), (9, 2), (1, 1)])
@pytest.mark.parametrize("anti_aliasing", [False, True])
def test_a_constant_image_stays(size, anti_aliasing):
    resized = resize_image(np.full((4, 5, 3), 0.3), size, anti_aliasing=anti_aliasing)
    np.testing.assert_array_equal(resized, np.full((*size, 3), np.float32(0.3)))


def test_bytes_are_numbers():
    np.testing.assert_array_equal(resize_image(RAMP.astype(np.uint8), (2, 2)), resize_image(RAMP, (2, 2)))


@pytest.mark.parametrize(
    ("im", "new_dims", "options", "message"),
    [
        (RAMP[:, :, 0], (2, 2), {}, r"axes \(H, W, K\), not the shape \(4, 4\); write im\[:, :, np.newaxis\]"),
        (RAMP[:, :3, 0], (2, 2), {}, r"not the shape \(4, 3\)"),
        (RAMP[np.newaxis], (2, 2), {}, r"not the shape \(1, 4, 4, 1\)$"),
        (RAMP[:0], (2, 2), {}, r"an image of the shape \(0, 4, 1\) cannot be resized: it has no values"),
        (RAMP, (2, 0), {}, r"new_dims is \(2, 0\); give 1 or more for height and width"),
        (RAMP, (2,), {}, r"new_dims is \(2,\); give \(height, width\), whole numbers"),
        (RAMP, (2.5, 2), {}, "whole numbers"),
        (RAMP, 2, {}, "new_dims is 2; "),
        (RAMP, (2, 2), {"interp_order": 6}, "interp_order is 6; use 0"),
        (RAMP, (10**9, 10**9), {}, "an image of 1000000000 x 1000000000 needs .* TiB of memory while it is resized"),
        (RAMP.repeat(2, 2), (2, 2), {"anti_aliasing": True}, "for images of 1 or 3 channels, not of 2"),
    ],
)
def test_refusals(im, new_dims, options, message):
    with pytest.raises(UsageError, match=message):
        resize_image(im, new_dims, **options)


@pytest.mark.parametrize("channels", [1, 2])
def test_splines_need_scipy(channels, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.ndimage", None)
    with pytest.raises(UsageError, match="interp_order of 2 or more needs SciPy: pip install scipy; or use 0"):
        resize_image(RAMP.repeat(channels, 2), (2, 2), 3)
