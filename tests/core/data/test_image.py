import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from caffelite.core.data.image import decode, opencv
from caffelite.core.errors import DataError

cv2 = pytest.importorskip("cv2")


def png(pixels):
    return cv2.imencode(".png", pixels)[1].tobytes()


def test_pixels_are_opencv_s():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    np.testing.assert_array_equal(decode(png(pixels), cv2.IMREAD_UNCHANGED), pixels)
    assert decode(png(pixels), cv2.IMREAD_GRAYSCALE).shape == (2, 4)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"no image"])
def test_no_image(data):
    with pytest.raises(DataError, match=f"^its {len(data)} bytes are no image that OpenCV knows$"):
        decode(data, cv2.IMREAD_UNCHANGED)


def test_a_claimed_size_is_checked_before_decoding():
    data = bytearray(png(np.zeros((1, 1), np.uint8)))
    data[16:24] = struct.pack(">II", 60000, 50000)
    with pytest.raises(DataError, match="^its header claims 60000 x 50000 pixels; up to 268435456 are decoded$"):
        decode(bytes(data), cv2.IMREAD_UNCHANGED)


def test_a_missing_opencv_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DataError, match=r"pip install 'caffelite\[image\]'"):
        opencv()


def test_opencv_s_own_limit_is_set_before_it_is_loaded():
    code = "import os; from caffelite.core.data.image import opencv; opencv(); print(os.environ[NAME])".replace(
        "NAME", "'OPENCV_IO_MAX_IMAGE_PIXELS'"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENCV_IO_MAX_IMAGE_PIXELS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == f"{2**28}\n"
