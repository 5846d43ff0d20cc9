import numpy as np
import pytest

from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import DataError
from caffelite.datasets.databases import write_images
from caffelite.datasets.siamese import SiameseDataset, pair, read_images

IMAGES = np.arange(30 * 3 * 2, dtype=np.uint8).reshape(30, 1, 3, 2)
LABELS = np.arange(30) % 10


def make_images(out, source, url):
    for name in ("train", "test"):
        write_images(out / name, IMAGES, LABELS, 8)


PAIRS = SiameseDataset({"train": ("train_pairs", 500), "test": ("test_pairs", 40)}, make_images)


def test_read_images(tmp_path):
    make_images(tmp_path, None, None)
    images, labels = read_images(tmp_path / "train")
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_pairs_are_of_the_images_and_labels_say_whether_theirs_agree():
    pairs, same = pair(IMAGES, LABELS, 500, "some")
    assert pairs.shape == (500, 2, 3, 2)
    first, second = (pairs[:, side, 0, 0] // 6 for side in (0, 1))
    np.testing.assert_array_equal(pairs[:, 0], IMAGES[first, 0])
    np.testing.assert_array_equal(pairs[:, 1], IMAGES[second, 0])
    np.testing.assert_array_equal(same, first % 10 == second % 10)
    assert set(first) == set(second) == set(range(30))
    assert 0.05 < same.mean() < 0.15


def test_pairs_belong_to_the_name():
    assert np.array_equal(pair(IMAGES, LABELS, 40, "one")[0], pair(IMAGES, LABELS, 40, "one")[0])
    assert not np.array_equal(pair(IMAGES, LABELS, 40, "one")[0], pair(IMAGES, LABELS, 40, "two")[0])


def test_make(tmp_path):
    PAIRS.make(tmp_path, None, None)
    assert PAIRS.names == ("train_pairs", "test_pairs")
    assert [LmdbReader(tmp_path / name).entries for name in PAIRS.names] == [500, 40]
    pairs, same = pair(IMAGES, LABELS, 40, "test_pairs")
    key, value = LmdbReader(tmp_path / "test_pairs").read(8)[7]
    pixels, label = DatumReader("").read(key, value)
    np.testing.assert_array_equal(pixels, pairs[7])
    assert (key, label) == (b"00000007", same[7])


def test_what_is_there_is_left_alone(tmp_path):
    PAIRS.make(tmp_path, None, None)
    kept = SiameseDataset(PAIRS.parts, lambda out, source, url: pytest.fail("nothing is missing"))
    kept.make(tmp_path, None, None)


def test_something_else_that_is_there_is_refused(tmp_path):
    write_images(tmp_path / "test_pairs", IMAGES, LABELS, 8)
    with pytest.raises(DataError, match=r"test_pairs holds 30 records instead of 40; delete it"):
        PAIRS.make(tmp_path, None, None)
