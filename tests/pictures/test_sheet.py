import numpy as np
import pytest

from caffelite.core.errors import UsageError
from caffelite.pictures.sheet import MOST_PIXELS, show_sheet


def tiles(figure):
    return [np.asarray(image.get_array()) for image in figure.axes[0].get_images()]


def test_colours_and_grey():
    blue = np.zeros((3, 4, 5), np.uint8)
    blue[0] = 255
    grey = np.full((1, 4, 5), 51, np.uint8)
    figure = show_sheet([blue, grey], ["a", "b"], "title")
    shown = tiles(figure)
    assert np.array_equal(shown[0], np.broadcast_to([0.0, 0.0, 1.0], (4, 5, 3)))
    assert np.allclose(shown[1], 0.2)
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "b"]
    assert np.array_equal(tiles(show_sheet([blue], ["a"], "t", rgb=True))[0][0, 0], [1, 0, 0])


def test_two_planes_stand_beside_each_other():
    (tile,) = tiles(show_sheet([np.stack([np.zeros((4, 4)), np.ones((4, 4))])], ["a"], "t"))
    assert np.array_equal(tile[0, :, 0], [0, 0, 0, 0, 1, 1, 1, 1, 1])


def test_floats_have_one_scale():
    low, high = tiles(show_sheet([np.full((1, 2, 2), -1.0), np.full((1, 2, 2), 3.0)], ["a", "b"], "t"))
    assert low.max() == 0 and high.min() == 1


def test_large_images_are_averaged():
    image = np.zeros((1, 2 * MOST_PIXELS, 8), np.uint8)
    image[:, ::2] = 255
    (tile,) = tiles(show_sheet([image], ["a"], "t"))
    assert tile.shape == (MOST_PIXELS, 4, 3) and np.allclose(tile, 0.5)


def test_long_captions_are_cut_and_none_is_an_image_of_a_vector():
    texts = show_sheet([np.zeros((1, 2, 2), np.uint8)], ["x" * 1000], "t").axes[0].texts
    assert texts[0].get_text().endswith("x…") and len(texts[0].get_text()) < 50
    with pytest.raises(UsageError, match=r"values of shape 4 \(4\) are no image"):
        show_sheet([np.zeros(4)], ["a"], "t")
