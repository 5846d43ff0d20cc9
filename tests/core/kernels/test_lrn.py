"""Both forms of local response normalization against sums over explicit regions, in float64."""

import numpy as np
import pytest

from caffelite.core.kernels import lrn

ALPHA, K = 0.5, 1.5


def across(values, size):
    """Sum over the `size` channels around each channel of (N, C, pixels)."""
    padded = np.pad(values, ((0, 0), (size // 2, size // 2), (0, 0)))
    return sum(padded[:, i : i + values.shape[1]] for i in range(size))


def within(values, size):
    """Sum over the size x size pixels around each pixel of (N, C, H, W)."""
    height, width = values.shape[2:]
    padded = np.pad(values, ((0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    return sum(padded[:, :, i : i + height, j : j + width] for i in range(size) for j in range(size))


def reference(x, dy, sums, size, cells, beta, k):
    x, dy = x.astype(np.float64), dy.astype(np.float64)
    scale = k + ALPHA / cells * sums(x * x, size)
    back = dy * scale**-beta - 2 * ALPHA * beta / cells * x * sums(dy * x * scale ** (-beta - 1), size)
    return scale, x * scale**-beta, back


def assert_close(pairs, dtype):
    for got, want in pairs:
        tolerance = 3e-6 if dtype == np.float32 else 1e-13
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.abs(want).max())


@pytest.mark.parametrize("beta", [0.75, 0.6, 1, 2])
@pytest.mark.parametrize(("shape", "size"), [((2, 7, 9), 5), ((2, 3, 1030), 9), ((1, 1, 5), 3), ((3, 20, 700), 1)])
def test_across_channels(shape, size, beta, dtype):
    generator = np.random.default_rng(0)
    x, dy = (2 * generator.standard_normal((2, *shape))).astype(dtype)
    scale, top, bottom_diff = (np.full_like(x, np.nan) for _ in range(3))
    lrn.across_forward(x, size, ALPHA, beta, K, scale, top)
    lrn.across_backward(x, scale, dy, size, ALPHA, beta, bottom_diff)
    want = reference(x, dy, across, size, size, beta, K)
    assert_close(zip((scale, top, bottom_diff), want, strict=True), dtype)


@pytest.mark.parametrize("beta", [0.75, 0.6, 1])
@pytest.mark.parametrize(
    ("shape", "size"), [((2, 3, 4, 5), 3), ((1, 2, 1, 1), 3), ((2, 32, 40, 17), 5), ((1, 1, 3, 2), 7)]
)
def test_within_channel(shape, size, beta, dtype):
    generator = np.random.default_rng(0)
    x, dy = (2 * generator.standard_normal((2, *shape))).astype(dtype)
    scale, top, bottom_diff = (np.full_like(x, np.nan) for _ in range(3))
    lrn.within_forward(x, size, ALPHA, beta, scale, top)
    lrn.within_backward(x, scale, dy, size, ALPHA, beta, bottom_diff)
    want = reference(x, dy, within, size, size * size, beta, 1)
    assert_close(zip((scale, top, bottom_diff), want, strict=True), dtype)
