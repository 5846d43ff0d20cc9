import numpy as np
import pytest

from caffelite.core.data.window_crop import Crop, Placed, place_window
from caffelite.core.errors import DataError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("window", "image", "crop", "placed", "left_if_mirrored"),
    [
        ((10, 10, 19, 19), (100, 100), Crop(10, 0, True), Placed((10, 10, 20, 20), 10, 10, 0, 0), 0),
        ((10, 20, 29, 29), (100, 100), Crop(24, 2), Placed((8, 19, 32, 31), 24, 24, 0, 0), 0),
        ((0, 0, 9, 19), (50, 40), Crop(20, 2), Placed((0, 0, 11, 23), 18, 18, 2, 2), 0),
        ((30, 5, 49, 14), (50, 40), Crop(227, 16, True), Placed((28, 0, 49, 22), 200, 209, 0, 18), 27),
        ((40, 30, 49, 39), (50, 40), Crop(227, 16), Placed((39, 29, 49, 39), 192, 192, 0, 0), 35),
        ((3, 4, 8, 5), (50, 40), Crop(227), Placed((3, 4, 8, 5), 227, 227, 0, 0), 0),
    ],
)
def test_the_cases_of_the_specification(window, image, crop, placed, left_if_mirrored, dtype):
    """Computed by hand from Caffe's rules; `image` is width and height."""
    width, height = image
    assert place_window(window, height, width, crop, False, np.dtype(dtype)) == placed
    mirrored = place_window(window, height, width, crop, True, np.dtype(dtype))
    assert mirrored == placed._replace(left=left_if_mirrored)


@pytest.mark.parametrize(
    ("window", "crop"),
    [
        ((0, 0, 50, 10), Crop(20)),
        ((-1, 0, 10, 10), Crop(20)),
        ((60, 0, 70, 10), Crop(20, 2)),
        ((0, -40, 10, -30), Crop(20, 0, True)),
    ],
)
def test_windows_outside_of_the_image(window, crop):
    with pytest.raises(DataError, match="it is not inside of the image, which is 50 wide and 40 high"):
        place_window(window, 40, 50, crop, False, np.dtype(np.float32))


def test_a_window_of_which_nothing_is_left():
    with pytest.raises(DataError, match="less than one pixel of 4 x 4 is inside"):
        place_window((-10000, 0, 0, 10), 40, 50, Crop(4, 0, True), False, np.dtype(np.float32))


@pytest.mark.parametrize("seed", range(200))
def test_what_is_placed_lies_within_the_crop(seed):
    rng = np.random.default_rng(seed)
    width, height = rng.integers(1, 60, 2).tolist()
    x1, y1 = int(rng.integers(width)), int(rng.integers(height))
    window = (x1, y1, int(rng.integers(x1, width)), int(rng.integers(y1, height)))
    size = int(rng.integers(8, 240))
    crop = Crop(size, int(rng.integers(size // 4)), bool(rng.integers(2)))
    for mirrored in (False, True):
        try:
            placed = place_window(window, height, width, crop, mirrored, np.dtype(np.float32))
        except DataError:
            continue
        assert 0 <= placed.left < placed.left + placed.width <= size
        assert 0 <= placed.top < placed.top + placed.height <= size
