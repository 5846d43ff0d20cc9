import numpy as np

from caffelite.core.layers.shared.taps import Taps, blend, blend_backward

RNG = np.random.default_rng(1)


def taps(size, wanted, count):
    weight = RNG.normal(size=(wanted, count))
    weight[RNG.random(weight.shape) < 0.3] = 0
    return Taps(RNG.integers(0, size, (wanted, count)), weight)


def test_blend_is_the_product_with_both_matrices(dtype):
    images, down, across = RNG.normal(size=(2, 3, 5, 4)).astype(dtype), taps(5, 7, 3), taps(4, 2, 2)
    result = blend(images, down, across)
    assert result.shape == (2, 3, 7, 2) and result.dtype == dtype
    expected = np.zeros((2, 3, 7, 2))
    for h, w in np.ndindex(7, 2):
        for row, a in zip(down.source[h], down.weight[h], strict=True):
            for column, b in zip(across.source[w], across.weight[w], strict=True):
                expected[:, :, h, w] += a * b * images[:, :, row, column]
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_blend_backward_is_the_adjoint_and_overwrites():
    x, dy, down, across = RNG.normal(size=(2, 5, 4)), RNG.normal(size=(2, 7, 2)), taps(5, 7, 3), taps(4, 2, 2)
    dx = np.full_like(x, np.nan)
    blend_backward(dy, down, across, dx)
    np.testing.assert_allclose((dx * x).sum(), (blend(x, down, across) * dy).sum(), rtol=1e-12)


def test_the_images_are_not_written_to():
    images = RNG.normal(size=(2, 3, 3))
    before, same = images.copy(), Taps(np.arange(3)[:, None], np.full((3, 1), 2.0))
    blend(images, same, same)
    np.testing.assert_array_equal(images, before)


def test_weight_0_counts_for_nothing():
    once = Taps(np.array([[0], [1]]), np.array([[1.0], [0.0]]))
    np.testing.assert_array_equal(blend(np.array([[np.inf, np.nan], [np.nan, 1]]), once, once), [[np.inf, 0], [0, 0]])
