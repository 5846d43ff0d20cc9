"""Sizes that encoded images claim: a few hundred bytes can ask a decoder for gigabytes."""

from __future__ import annotations

import struct

from caffelite.core.container import available, human

MAX_PIXELS = 1 << 28  # 16384 x 16384
MANY_PIXELS = 1 << 24  # from which on memory is asked about
# Of memory, for each pixel: 3 of the image, 6 of the coefficients that the decoder of a progressive JPEG keeps.
BYTES_PER_PIXEL = 9

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TIFF_SIZES = {256: "width", 257: "height"}


def header_problem(data: bytes) -> str:
    """Return why an image must not be given to a decoder; "" if nothing is wrong with what its header claims.

    Sizes are read from JPEG, PNG, BMP, GIF, WebP and TIFF. What is none of these, or is cut short, is the decoder's to
    refuse.
    """
    try:
        if data.startswith(PNG_SIGNATURE) and (problem := _chunk_problem(data)):
            return problem
        size = image_size(data)
    except (struct.error, IndexError):  # it ends within its header
        return ""
    if size is None:
        return ""
    pixels = size[0] * size[1]
    if pixels > MAX_PIXELS:
        return f"its header claims {size[0]} x {size[1]} pixels; up to {MAX_PIXELS} are decoded"
    if pixels >= MANY_PIXELS and (needed := pixels * BYTES_PER_PIXEL) > (have := available()):
        return (
            f"its header claims {size[0]} x {size[1]} pixels, which need {human(needed)} of memory, and {human(have)} "
            "are available"
        )
    return ""


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height that an image claims; None if it is of a kind that is not known here.

    Raises struct.error or IndexError if it ends before.
    """
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    if data.startswith(PNG_SIGNATURE):
        return _pair(struct.unpack_from(">II", data, 16))
    if data.startswith(b"BM"):
        old = data[14:18] == b"\x0c\0\0\0"
        width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
        return abs(width), abs(height)  # negative: upside down
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _pair(struct.unpack_from("<HH", data, 6))
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp_size(data)
    if data.startswith((b"II", b"MM")):
        return _tiff_size(data)
    return None


def _pair(fields: tuple[int, ...]) -> tuple[int, int]:
    return fields[0], fields[1]


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Read the first start of frame, passing over the segments before it; None if the picture begins without one."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0:
        marker = data[at + 1]
        at += 1
        if marker == 0xFF:  # filling
            continue
        at += 1
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # these stand alone
            continue
        if marker in (0xD9, 0xDA):
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 3)
            return width, height
        at += struct.unpack_from(">H", data, at)[0]
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        low, middle, high = struct.unpack_from("<HHH", data, 24)
        return (low | (middle & 0xFF) << 16) + 1, (middle >> 8 | high << 8) + 1
    return None


def _tiff_size(data: bytes) -> tuple[int, int] | None:
    """Read the sizes of the first picture of a TIFF or BigTIFF file; None if it is none, or has none."""
    order = "<" if data.startswith(b"II") else ">"
    (version,) = struct.unpack_from(order + "H", data, 2)
    if version not in (42, 43):
        return None
    large = version == 43
    (at,) = struct.unpack_from(order + ("Q" if large else "I"), data, 8 if large else 4)
    if at > len(data):  # by so much, it may be, that struct takes no such number
        return None
    (count,) = struct.unpack_from(order + ("Q" if large else "H"), data, at)
    at += 8 if large else 2
    length = 20 if large else 12
    found: dict[str, int] = {}
    for entry in range(at, at + min(count, 1 << 16) * length, length):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in TIFF_SIZES and kind in (3, 4, 16):
            (found[TIFF_SIZES[tag]],) = struct.unpack_from(
                order + {3: "H", 4: "I", 16: "Q"}[kind], data, entry + length - (8 if large else 4)
            )
    return (found["width"], found["height"]) if len(found) == 2 else None


def _chunk_problem(data: bytes) -> str:
    """Return what is wrong with the length of a PNG's chunk: a decoder takes so much memory before it reads on."""
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if length > len(data) - at - 8:
            name = data[at + 4 : at + 8].decode("ascii", "backslashreplace")
            return f"chunk {name!r} of its PNG claims {length} bytes, and {len(data) - at - 8} follow"
        if data[at + 4 : at + 8] == b"IEND":
            break
        at += 12 + length
    return ""
