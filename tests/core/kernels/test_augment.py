import numpy as np

from caffelite.core.kernels.augment import add_noise, mix_channels


def noise(count, std=1.0, key=(1, 2), dtype=np.float64):
    values = np.zeros(count, dtype)
    add_noise(values, dtype(std), *map(np.uint32, key))
    return values


def test_mixes_channels(dtype):
    random = np.random.default_rng(1)
    image, matrix = random.random((3, 100)).astype(dtype), random.random((3, 3)).astype(dtype)
    wanted = matrix.astype(np.float64) @ image.astype(np.float64) + 7
    mix_channels(image, matrix, dtype(7))
    np.testing.assert_allclose(image, wanted, rtol=1e-5)


def test_noise_is_normal():
    values = np.sort(noise(200_000))
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.01
    assert abs((values**3).mean()) < 0.03
    assert abs((values**4).mean() - 3) < 0.2
    # of the normal distribution: 2.5, 16, 50, 84 and 97.5 per cent lie below these
    shares = np.searchsorted(values, [-1.95996, -0.99446, 0, 0.99446, 1.95996]) / values.size
    np.testing.assert_allclose(shares, [0.025, 0.16, 0.5, 0.84, 0.975], atol=0.005)


def test_noise_of_neighbours_and_of_other_keys_is_not_alike():
    values = noise(100_000)
    for other in (np.roll(values, 1), noise(100_000, key=(2, 2)), noise(100_000, key=(1, 3))):
        assert abs((values * other).mean()) < 0.015


def test_noise_is_added_in_its_strength_and_is_the_same_again(dtype):
    assert noise(1000, 5, dtype=dtype).tobytes() == noise(1000, 5, dtype=dtype).tobytes()
    np.testing.assert_allclose(noise(1000, 5, dtype=dtype), 5 * noise(1000), rtol=1e-5)
    values = np.full(1000, 100, dtype)
    add_noise(values, dtype(5), np.uint32(1), np.uint32(2))
    np.testing.assert_allclose(values, 100 + 5 * noise(1000), rtol=1e-5)
