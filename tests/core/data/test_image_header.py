import random
import struct

import numpy as np
import pytest

from caffelite.core.data import image_header
from caffelite.core.data.image_header import header_problem, image_size

cv2 = pytest.importorskip("cv2")


def encode(extension, width=37, height=21, flags=()):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(extension, pixels, list(flags))[1].tobytes()


FORMATS = [
    (".jpg", ()),
    (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
    (".png", ()),
    (".bmp", ()),
    (".webp", ()),
    (".webp", (cv2.IMWRITE_WEBP_QUALITY, 50)),
    (".tiff", ()),
]


@pytest.mark.parametrize(("extension", "flags"), FORMATS)
def test_sizes_are_those_of_the_decoder(extension, flags):
    data = encode(extension, flags=flags)
    assert image_size(data) == (37, 21)
    assert header_problem(data) == ""


@pytest.mark.parametrize(("extension", "flags"), FORMATS)
def test_what_is_cut_short_is_the_decoders_to_refuse(extension, flags):
    data = encode(extension, flags=flags)
    for length in [*range(60), len(data) - 1]:
        assert "pixels" not in header_problem(data[:length])


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"GIF89a" + struct.pack("<HH", 60000, 50000), (60000, 50000)),
        (b"BM" + bytes(12) + struct.pack("<Iii", 40, 60000, -50000), (60000, 50000)),
        (b"BM" + bytes(12) + struct.pack("<IHH", 12, 60000, 50000), (60000, 50000)),
        (b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\xff\xff\xff\xfe\xff\xff", (2**24, 2**24 - 1)),
        (b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + b"\xff" * 4, (16384, 16384)),
        (b"MM\0*\0\0\0\x08\0\2" + bytes.fromhex("0100 0004 00000001 00100000 0101 0003 00000001 8000 0000"),
         (2**20, 2**15)),
        (b"II+\0\x08\0\0\0" + struct.pack("<QQHHQQHHQQ", 16, 2, 256, 16, 1, 2**40, 257, 4, 1, 7), (2**40, 7)),
        (b"II+\0\x08\0\0\0" + struct.pack("<QQHHQQ", 2**64 - 1, 1, 256, 16, 1, 7), None),
        (b"\xff\xd8\xff\xe0\0\x04\xff\xc0\xff\xff\xff\xc2\0\x11\x08\1\0\2\0", (512, 256)),
        (b"\xff\xd8\xff\xda\0\x02\xff\xc0\0\x11\x08\1\0\2\0", None),
        (b"RIFF\0\0\0\0WEBPnone", None),
        (b"MM\0\x09", None),
        (b"P6 3 4", None),
        (b"", None),
    ],
)  # fmt: skip
def test_headers(data, size):
    assert image_size(data) == size


def test_too_many_pixels():
    data = b"GIF89a" + struct.pack("<HH", 60000, 50000)
    assert header_problem(data) == "its header claims 60000 x 50000 pixels; up to 268435456 are decoded"


def test_more_than_memory_holds(monkeypatch):
    monkeypatch.setattr(image_header, "available", lambda: 2**30)
    data = b"GIF89a" + struct.pack("<HH", 16000, 16000)
    assert header_problem(data) == (
        "its header claims 16000 x 16000 pixels, which need 2.1 GiB of memory, and 1.0 GiB are available"
    )
    assert header_problem(b"GIF89a" + struct.pack("<HH", 6000, 6000)) == ""


def test_a_chunk_longer_than_the_file():
    data = bytearray(encode(".png"))
    struct.pack_into(">I", data, 33, 2**32 - 1)
    assert header_problem(bytes(data)).startswith("chunk 'IDAT' of its PNG claims 4294967295 bytes, and ")
    assert header_problem(encode(".png") + b"what follows the end") == ""


def test_any_bytes_give_an_answer():
    """Damaged headers of all formats, from a seed: an answer is text, whatever is in them."""
    rng = random.Random(8)
    wholes = [encode(extension, flags=flags) for extension, flags in FORMATS]
    for _ in range(3000):
        data = bytearray(rng.choice(wholes)[: rng.randrange(1, 300)])
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.choice([0, 1, 0x7F, 0xFF, rng.randrange(256)])
        assert isinstance(header_problem(bytes(data)), str)


BIG_TIFF = b"II+\0\x08\0\0\0" + struct.pack("<QQHHQQHHQQ", 16, 2, 256, 16, 1, 37, 257, 4, 1, 21)


@pytest.mark.parametrize(("extension", "flags"), [*FORMATS, ("BigTIFF", ())])
def test_numbers_of_every_width_that_are_as_large_as_can_be(extension, flags):
    whole = BIG_TIFF if extension == "BigTIFF" else encode(extension, flags=flags)
    for large in (b"\xff" * 4, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7)):
        for place in (*range(min(len(whole), 400)), *range(max(400, len(whole) - 400), len(whole))):
            assert isinstance(header_problem(whole[:place] + large + whole[place + len(large) :]), str)
