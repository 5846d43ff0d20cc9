"""Checksum of a file, to tell one that was damaged or changed from the one that was written."""

import os
import zlib

from caffelite.core.errors import WeightsError
from caffelite.core.files import open_file

_BLOCK = 1 << 18  # bytes


def crc32_of(path: str | os.PathLike[str]) -> int:
    """Return the CRC-32 of the file's bytes; WeightsError if it cannot be read."""
    crc = 0
    block = bytearray(_BLOCK)
    view = memoryview(block)
    try:
        with open_file(path) as file:
            while count := file.readinto(block):
                crc = zlib.crc32(view[:count], crc)
    except OSError as err:
        raise WeightsError(f"{path}: cannot be read ({err.strerror or err})") from None
    return crc
