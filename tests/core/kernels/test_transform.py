import numpy as np
import pytest

from caffelite.core.kernels.transform import transform_interleaved, transform_planes


def filled(images, mean, mirror, dtype, interleaved, offsets=(2, 3), size=(5, 37)):
    """What the kernel for planes, or for (N, H, W, C), makes of the same images, (N, C, H, W)."""
    out = np.full((len(images), images.shape[1], *size), np.nan, dtype)
    if interleaved:
        pixels = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        transform_interleaved(pixels, *offsets, mean, dtype(0.3), mirror, out)
    else:
        transform_planes(images, *offsets, mean, dtype(0.3), mirror, out)
    return out


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_equals_numpy_bit_for_bit(channels, interleaved, dtype):
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (2, channels, 9, 41), dtype=np.uint8)
    for rows in (1, 9):  # a mean for all rows, and one for each
        mean = (random.random((channels, rows, 41)) * 255).astype(dtype)
        window = mean[:, 2:7, 3:40] if rows > 1 else mean[:, :, 3:40]
        wanted = (images[:, :, 2:7, 3:40].astype(dtype) - window) * dtype(0.3)
        for mirror, step in ((False, 1), (True, -1)):
            got = filled(images, mean, mirror, dtype, interleaved)
            np.testing.assert_array_equal(got, wanted[..., ::step])


@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 63, 64, 65, 200])
def test_any_width(width):
    images = np.random.default_rng(width).integers(0, 256, (1, 3, 1, width), dtype=np.uint8)
    mean = np.zeros((3, 1, width), np.float32)
    for interleaved in (False, True):
        for mirror, step in ((False, 1), (True, -1)):
            got = filled(images, mean, mirror, np.float32, interleaved, (0, 0), (1, width))
            np.testing.assert_array_equal(got, (images.astype(np.float32) * np.float32(0.3))[..., ::step])


def test_floats_keep_their_bits():
    values = np.array([-0.0, 0.0, np.inf, -np.inf, np.nan, 1e-42, 3.5], np.float32).reshape(1, 1, 1, 7)
    out = np.empty_like(values)
    transform_planes(values, 0, 0, np.zeros((1, 1, 7), np.float32), np.float32(1), False, out)
    assert out.tobytes() == values.tobytes()
