"""Pixels as PNG files, small, without a library of pictures. Source: the PNG specification (RFC 2083)."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt

COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # by channels: grey, RGB, RGB with alpha


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return the file of pixels (H, W), grey, (H, W, 3), red first, or (H, W, 4), with alpha."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row begins with its filter: 0, none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    data = zlib.compress(rows.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def png_address(pixels: npt.NDArray[np.uint8]) -> str:
    """Return the file as an address that a page can have in itself, `data:image/png;base64,...`."""
    return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
