import numpy as np
import pytest

from caffelite.core.data.opencv import can_encode, decode_as, encode, resize
from caffelite.core.errors import DataError

pytest.importorskip("cv2")

COLOURS = np.array([[[3, 2, 1], [6, 5, 4]], [[9, 8, 7], [12, 11, 10]]], np.uint8)  # blue, green, red


def test_colour_and_grey():
    png = encode(COLOURS, "png")
    np.testing.assert_array_equal(decode_as(png, color=True), COLOURS)
    grey = decode_as(png, color=False)
    assert grey.shape == (2, 2)
    np.testing.assert_allclose(grey, COLOURS @ [0.114, 0.587, 0.299], atol=1)


def test_a_grey_image_as_colour_has_three_equal_planes():
    png = encode(COLOURS[:, :, 0], "png")
    np.testing.assert_array_equal(decode_as(png, color=True), np.repeat(COLOURS[:, :, :1], 3, axis=2))


def test_16_bits_become_the_high_byte():
    deep = np.array([[0x1234, 0xFF00]], np.uint16)
    assert decode_as(encode(deep, "png"), color=False).tolist() == [[0x12, 0xFF]]


def test_alpha_is_dropped():
    with_alpha = np.dstack([COLOURS, np.full((2, 2), 7, np.uint8)])
    np.testing.assert_array_equal(decode_as(encode(with_alpha, "png"), color=True), COLOURS)


@pytest.mark.parametrize("data", [b"", b"no image", encode(COLOURS, "png")[:40]])
def test_what_is_no_image(data):
    with pytest.raises(DataError, match=f"its {len(data)} bytes are no image"):
        decode_as(data, color=True)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((2, 2), [[25, 45], [105, 125]]),
        ((3, 3), [[8, 22, 35], [62, 75, 88], [115, 128, 142]]),
    ],
)
def test_resizes_bilinearly_at_pixel_centres(size, expected):
    """The cases of the specification, run there with another OpenCV; one more or less is allowed."""
    image = np.arange(0, 160, 10, dtype=np.uint8).reshape(4, 4)
    np.testing.assert_allclose(resize(image, *size).astype(int), expected, atol=1)
    np.testing.assert_allclose(resize(image, 8, 8)[0].astype(int), [0, 2, 7, 12, 17, 22, 27, 30], atol=1)
    assert resize(image, 3, 5).shape == (3, 5)


def test_kinds_that_can_be_written():
    assert [kind for kind in ("png", "jpg", "JPEG", "bmp", "xyz", "") if can_encode(kind)] == [
        "png",
        "jpg",
        "JPEG",
        "bmp",
    ]
    assert encode(COLOURS, "jpg").startswith(b"\xff\xd8")
