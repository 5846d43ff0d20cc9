"""What OpenCV does for image data: decode, resize, encode. It is imported when the first image comes."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.image_header import MAX_PIXELS
from caffelite.core.errors import DataError


def opencv(what: str = "images are decoded") -> ModuleType:
    """Return OpenCV; DataError, beginning with `what`, if it is not installed."""
    if "cv2" not in sys.modules:  # it looks when it is loaded; for images whose headers are not read here
        os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
    try:
        import cv2
    except ImportError:
        raise DataError(f"{what} by OpenCV: pip install 'caffelite[image]'") from None
    module: ModuleType = cv2
    return module


def decode(cv2: Any, data: bytes, mode: int) -> Array | None:
    """Return an image, (H, W) or (H, W, C) with the channels in the order B, G, R; None if it is none.

    `mode` is of OpenCV's IMREAD constants.
    """
    try:
        image: Array | None = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    except cv2.error:  # no data at all, or more pixels than OpenCV allows
        return None
    return image


def decode_as(data: bytes, color: bool) -> Array | None:
    """Return an image as colour, (H, W, 3) uint8 in the order B, G, R, or as grey, (H, W); None if it is none.

    It is not turned by its EXIF orientation: the OpenCV of Caffe's time did not know it.
    """
    cv2 = opencv()
    mode = cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE
    return decode(cv2, data, mode | cv2.IMREAD_IGNORE_ORIENTATION)


def resize(image: Array, height: int, width: int) -> Array:
    """Return the image in another size: bilinear at pixel centres, without smoothing, as Caffe's tools and layers."""
    resized: Array = opencv().resize(image, (width, height))
    return resized


def can_encode(kind: str) -> bool:
    """Whether images of this kind, a file name extension without its dot, can be made."""
    cv2 = opencv()
    return bool(kind) and bool(cv2.haveImageWriter(f"image.{kind}"))


def encode(image: Array, kind: str) -> bytes:
    """Return the image as a file of this kind, with OpenCV's settings (JPEG quality 95)."""
    _, encoded = opencv().imencode(f".{kind}", image)
    data: bytes = encoded.tobytes()
    return data
