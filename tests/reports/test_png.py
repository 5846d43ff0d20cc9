import base64
import io

import matplotlib.image
import numpy as np
import pytest

from caffelite.reports.png import png, png_address


@pytest.mark.parametrize("shape", [(3, 5), (4, 2, 3), (1, 1, 4)])
def test_matplotlib_reads_the_pixels(shape):
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    read = matplotlib.image.imread(io.BytesIO(png(pixels)), format="png")
    np.testing.assert_array_equal(np.round(read * 255), pixels)


def test_an_address_holds_the_file():
    pixels = np.zeros((2, 2), np.uint8)
    head, _, data = png_address(pixels).partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == png(pixels)
