from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from caffelite.core.data.image_list import ListedImage
from caffelite.core.data.listed_images import ListedImages, Reading, pixels_of
from caffelite.core.errors import DataError

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def images(tmp_path):
    """Make a source of 5 images of size 2 x 3 whose pixels are their labels."""
    for number in range(5):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((2, 3, 3), number, np.uint8))

    def make(**options):
        reading = Reading(tmp_path / "list.txt", None, f"{tmp_path}/", **options.pop("reading", {}))
        return ListedImages([ListedImage(f"{number}.png", number) for number in range(5)], reading, **options)

    return make


def test_decoding_can_be_left_to_threads(images):
    source = images(shuffle_key=7, skip=2)
    records = source.fetch(range(3, 40, 2))
    with ThreadPoolExecutor(4) as pool:
        pairs = list(pool.map(records.decode, records.keys, records.values))
    read = source.read(range(3, 40, 2))
    assert [label for _, label in pairs] == read.labels
    assert records.keys == read.keys and read.keys[0].endswith(b": %d.png" % read.labels[0])
    for (pixels, label), other in zip(pairs, read.images, strict=True):
        np.testing.assert_array_equal(pixels, other)
        assert pixels.shape == (3, 2, 3) and (pixels == label).all()


def test_positions_may_come_in_any_order(images):
    source = images(shuffle_key=7)
    onwards = source.read(range(20)).labels
    assert source.read(range(3, 4)).labels == onwards[3:4]
    assert source.read(range(12, 20)).labels == onwards[12:]
    assert [sorted(onwards[start : start + 5]) for start in (0, 5, 10, 15)] == [list(range(5))] * 4


def test_grey_and_another_size(images):
    read = images(reading={"color": False, "size": (4, 5)}).read(range(5))
    assert [image.shape for image in read.images] == [(1, 4, 5)] * 5
    assert [int(image[0, 0, 0]) for image in read.images] == [0, 1, 2, 3, 4]


def test_bytes_that_are_no_image():
    with pytest.raises(DataError, match="its 3 bytes are no image that OpenCV knows"):
        pixels_of(b"abc", color=True)
