import numpy as np

from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.datasets import digits


def test_the_stored_digits():
    images, labels = digits.load()
    assert images.shape == (1797, 8, 8)
    assert images.max() == 16
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_parts_are_even():
    _, labels = digits.load()
    chosen = digits.for_testing(labels)
    assert chosen.sum() == 360
    assert set(np.bincount(labels[chosen])) == {35, 36, 37}


def test_enlarged_as_by_interpolation():
    images, _ = digits.load()
    places = np.clip((np.arange(24) + 0.5) / 3 - 0.5, 0, 7)
    wide = np.array([[np.interp(places, np.arange(8), row) for row in image] for image in images[:20]])
    both = np.array([[np.interp(places, np.arange(8), column) for column in image.T] for image in wide])
    expected = np.pad(both.transpose(0, 2, 1) * 255 / 16, ((0, 0), (2, 2), (2, 2)))
    enlarged = digits.enlarge(images[:20])
    assert enlarged.dtype == np.uint8
    np.testing.assert_allclose(enlarged, expected, atol=0.5 + 1e-9)


def test_make(tmp_path):
    digits.make(tmp_path / "data")
    train, test = (LmdbReader(tmp_path / "data" / name) for name in digits.NAMES)
    assert (train.entries, test.entries) == (1437, 360)
    key, value = test.read(2)[1]
    pixels, label = DatumReader("").read(key, value)
    assert (key, pixels.shape, label) == (b"00000001", (1, 28, 28), 2)
