import io as files
import struct
import sys
import zlib

import numpy as np
import pytest

from caffelite import io
from caffelite.core import container
from caffelite.core.errors import DataError, UsageError

cv2 = pytest.importorskip("cv2")

BYTES = np.random.default_rng(3).integers(0, 256, (4, 5, 4)).astype(np.uint8)
WIDE = np.random.default_rng(4).integers(0, 65536, (4, 5, 4)).astype(np.uint16)
LUMINANCE = [0.2125, 0.7154, 0.0721]


def write(path, pixels, *flags):
    """Write RGB(A) or grey pixels."""
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]
    assert cv2.imwrite(str(path), pixels[:, :, order], flags)
    return path


def png(rows, depth, color_type, width, *chunks):
    """Return a PNG of rows of bytes as the format stores them; OpenCV does not write all kinds."""
    head = struct.pack(">IIBBBBB", width, len(rows), depth, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    file = b"\x89PNG\r\n\x1a\n"
    for kind, data in [(b"IHDR", head), *chunks, (b"IDAT", pixels), (b"IEND", b"")]:
        file += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return file


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff"])
def test_color(extension, tmp_path):
    image = io.load_image(write(tmp_path / f"a{extension}", BYTES[:, :, :3]))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, (BYTES[:, :, :3] / 255).astype(np.float32))


def test_16_bits(tmp_path):
    image = io.load_image(write(tmp_path / "a.png", WIDE[:, :, :3]))
    np.testing.assert_array_equal(image, (WIDE[:, :, :3] / 65535).astype(np.float32))


def test_gray_becomes_three_channels_or_stays_one(tmp_path):
    path = write(tmp_path / "a.png", BYTES[:, :, :1])
    gray = (BYTES[:, :, :1] / 255).astype(np.float32)
    np.testing.assert_array_equal(io.load_image(path), gray.repeat(3, 2))
    np.testing.assert_array_equal(io.load_image(path, color=False), gray)


def test_color_becomes_its_luminance(tmp_path):
    gray = io.load_image(write(tmp_path / "a.png", BYTES[:, :, :3]), color=False)
    assert (gray.shape, gray.dtype) == ((4, 5, 1), np.float32)
    np.testing.assert_allclose(gray[:, :, 0], BYTES[:, :, :3] / 255 @ LUMINANCE, atol=1e-7)


def test_alpha_is_left_out_with_color_and_white_without(tmp_path):
    path = write(tmp_path / "a.png", BYTES)
    np.testing.assert_array_equal(io.load_image(path), (BYTES[:, :, :3] / 255).astype(np.float32))
    alpha = BYTES[:, :, 3] / 255
    blended = alpha * (BYTES[:, :, :3] / 255 @ LUMINANCE) + (1 - alpha)
    np.testing.assert_allclose(io.load_image(path, color=False)[:, :, 0], blended, atol=1e-7)
    clear = BYTES.copy()
    clear[:, :, 3] = 0
    path = write(tmp_path / "clear.png", clear)
    np.testing.assert_array_equal(io.load_image(path), (BYTES[:, :, :3] / 255).astype(np.float32))
    np.testing.assert_array_equal(io.load_image(path, color=False), np.ones((4, 5, 1), np.float32))


def test_gray_with_alpha(tmp_path):
    (tmp_path / "a.png").write_bytes(png([[0, 255, 51, 255], [102, 0, 204, 51]], 8, 4, 2))
    gray = np.float32([[0, 0.2], [0.4, 0.8]])
    np.testing.assert_allclose(io.load_image(tmp_path / "a.png"), gray[:, :, None].repeat(3, 2), atol=1e-7)
    blended = io.load_image(tmp_path / "a.png", color=False)[:, :, 0]
    np.testing.assert_allclose(blended, [[0, 0.2], [1, 0.2 * 0.8 + 0.8]], atol=1e-7)


def test_a_palette(tmp_path):
    colors = b"\x00\x00\x00\xff\x00\x00\x00\x33\xff"
    (tmp_path / "a.png").write_bytes(png([[1, 2]], 8, 3, 2, (b"PLTE", colors)))
    np.testing.assert_allclose(io.load_image(tmp_path / "a.png"), [[[1, 0, 0], [0, 0.2, 1]]], atol=1e-7)
    (tmp_path / "b.png").write_bytes(png([[1, 2]], 8, 3, 2, (b"PLTE", colors), (b"tRNS", b"\xff\x00\xff")))
    np.testing.assert_allclose(io.load_image(tmp_path / "b.png"), [[[1, 0, 0], [0, 0.2, 1]]], atol=1e-7)


def test_1_bit(tmp_path):
    (tmp_path / "a.png").write_bytes(png([[0b10100000], [0b01100000]], 1, 0, 3))
    image = io.load_image(tmp_path / "a.png", color=False)
    np.testing.assert_array_equal(image[:, :, 0], [[1, 0, 1], [0, 1, 1]])
    assert io.load_image(tmp_path / "a.png").shape == (2, 3, 3)


def test_16_bit_gray(tmp_path):
    image = io.load_image(write(tmp_path / "a.png", WIDE[:, :, :1]), color=False)
    np.testing.assert_array_equal(image, (WIDE[:, :, :1] / 65535).astype(np.float32))


def test_fractions_stay(tmp_path):
    values = np.float32([[[-0.5], [2.25]]])
    np.testing.assert_array_equal(io.load_image(write(tmp_path / "a.tiff", values), color=False), values)


def test_exif_does_not_turn_it(tmp_path):
    jpeg = cv2.imencode(".jpg", BYTES[:, :, :3])[1].tobytes()
    turned = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    jpeg = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(turned) + 2) + turned + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (5, 4, 3)  # the block works
    assert io.load_image(files.BytesIO(jpeg)).shape == (4, 5, 3)


def test_paths_and_open_files(tmp_path):
    path = write(tmp_path / "a.png", BYTES[:, :, :3])
    wanted = io.load_image(path)
    np.testing.assert_array_equal(io.load_image(str(path)), wanted)
    np.testing.assert_array_equal(io.load_image(str(path).encode()), wanted)
    with open(path, "rb") as file:
        np.testing.assert_array_equal(io.load_image(file), wanted)
    np.testing.assert_array_equal(io.load_image(files.BytesIO(path.read_bytes())), wanted)
    with open(path, encoding="latin-1") as file, pytest.raises(UsageError, match="open it with mode 'rb'"):
        io.load_image(file)


@pytest.mark.parametrize("given", [None, 3])
def test_what_is_no_file_at_all(given):
    with pytest.raises(TypeError, match=f"^load_image takes the name of a file, or a file that is open, not {given}$"):
        io.load_image(given)


def test_files_that_are_no_image(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        io.load_image(tmp_path / "none.png")
    assert caught.value.filename == str(tmp_path / "none.png")
    with pytest.raises(OSError, match="it is a folder"):
        io.load_image(tmp_path)
    (tmp_path / "a.png").write_text("abc")
    with pytest.raises(DataError, match=r"a\.png: its 3 bytes are no image that OpenCV knows$"):
        io.load_image(tmp_path / "a.png")
    with pytest.raises(DataError, match="^its 3 bytes are no image"):
        io.load_image(files.BytesIO(b"abc"))


def test_a_claimed_size(tmp_path):
    (tmp_path / "a.png").write_bytes(png([[0]], 8, 0, 60000)[:16] + struct.pack(">II", 60000, 50000) + bytes(99))
    with pytest.raises(DataError, match=r"a\.png: its header claims 60000 x 50000 pixels"):
        io.load_image(tmp_path / "a.png")


def test_without_opencv(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", BYTES[:, :, :3])
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DataError, match=r"a\.png: .* are decoded by OpenCV: pip install 'caffelite\[image\]'$"):
        io.load_image(path)


def test_more_than_memory_holds(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", np.zeros((2500, 2500, 1), np.uint8))
    monkeypatch.setattr(container, "available", lambda: 2**26)
    with pytest.raises(DataError, match="2500 x 2500 pixels need 71.5 MiB of memory, and 64.0 MiB are available"):
        io.load_image(path)


def test_pixels_of_unknown_range(tmp_path):
    path = write(tmp_path / "a.tiff", np.int32([[[1], [2]]]))
    with pytest.raises(DataError, match=r"a\.tiff: its pixels are int32, of which the range is not known"):
        io.load_image(path)


RAMP = np.arange(30.0).reshape(5, 6, 1)


def test_ten_crops():
    crops = io.oversample([RAMP], (2, 3))
    assert (crops.shape, crops.dtype) == ((10, 2, 3, 1), np.float32)
    assert crops[:, 0, 0, 0].tolist() == [0, 3, 18, 21, 7, 2, 5, 20, 23, 9]
    assert crops[4, :, :, 0].tolist() == [[7, 8, 9], [13, 14, 15]]
    assert crops[9, :, :, 0].tolist() == [[9, 8, 7], [15, 14, 13]]


def test_ten_crops_of_several_images():
    crops = io.oversample(np.stack([RAMP, RAMP + 100]), np.array([2, 3]))
    np.testing.assert_array_equal(crops[10:], crops[:10] + 100)


def test_a_crop_may_be_the_image():
    np.testing.assert_array_equal(io.oversample([RAMP], (5, 6))[3], RAMP)


@pytest.mark.parametrize(
    ("images", "crop_dims", "message"),
    [
        ([RAMP], (6, 3), "crop_dims is 6 x 3, the images are 5 x 6"),
        ([RAMP], (2, 7), "crop_dims is 2 x 7, the images are 5 x 6"),
        ([RAMP], (0, 3), "crop_dims is 0 x 3"),
        ([RAMP, RAMP[1:]], (2, 3), r"of one shape \(H, W, K\), not \[\(4, 6, 1\), \(5, 6, 1\)\]"),
        ([RAMP[:, :, 0]], (2, 3), r"of one shape \(H, W, K\), not \[\(5, 6\)\]"),
        ([], (2, 3), "not none"),
    ],
)
def test_crops_that_cannot_be(images, crop_dims, message):
    with pytest.raises(ValueError, match=message):
        io.oversample(images, crop_dims)
