"""Encoded images to pixels, by OpenCV: none is decoded whose header claims more than there can be."""

from __future__ import annotations

import os
import sys
from types import ModuleType

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.image_header import MAX_PIXELS, header_problem
from caffelite.core.errors import DataError


def opencv() -> ModuleType:
    """OpenCV, imported when the first encoded image comes; DataError if it is not installed."""
    if "cv2" not in sys.modules:  # it looks when it is loaded; for images whose headers are not read here
        os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
    try:
        import cv2
    except ImportError:
        raise DataError("encoded images are decoded by OpenCV: pip install 'caffelite[image]'") from None
    module: ModuleType = cv2
    return module


def decode(data: bytes, mode: int) -> Array:
    """Return the pixels of an encoded image, (H, W) or (H, W, C) in OpenCV's order BGR or BGRA, as `mode` asks for.

    `mode` is one of OpenCV's IMREAD_ flags. Raises DataError, which does not name the image, if it cannot be decoded.
    """
    cv2 = opencv()
    if problem := header_problem(data):
        raise DataError(problem)
    try:
        image: Array | None = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    except cv2.error:  # no data at all, or more pixels than OpenCV allows
        image = None
    if image is None:
        raise DataError(f"its {len(data)} bytes are no image that OpenCV knows")
    return image
