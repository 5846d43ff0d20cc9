"""What Caffe's tools and layers do with image files by OpenCV: read them as colour or grey, resize, encode."""

from __future__ import annotations

from caffelite.core.blob import Array
from caffelite.core.data.image import decode, opencv


def decode_as(data: bytes, color: bool) -> Array:
    """Return an image file's pixels as colour, (H, W, 3) uint8 in the order B, G, R, or as grey, (H, W) uint8.

    It is not turned by its EXIF orientation: the OpenCV of Caffe's time did not know it. Raises DataError, which does
    not name the file, if it cannot be decoded.
    """
    cv2 = opencv()
    mode = cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE
    return decode(data, mode | cv2.IMREAD_IGNORE_ORIENTATION)


def resize(image: Array, height: int, width: int) -> Array:
    """Return the image in another size: bilinear at pixel centres, without smoothing."""
    resized: Array = opencv().resize(image, (width, height))
    return resized


def can_encode(kind: str) -> bool:
    """Whether images of this kind, a file name extension without its dot, can be made."""
    return bool(kind) and bool(opencv().haveImageWriter(f"image.{kind}"))


def encode(image: Array, kind: str) -> bytes:
    """Return the image as a file of this kind, with OpenCV's settings (JPEG quality 95)."""
    _, encoded = opencv().imencode(f".{kind}", image)
    data: bytes = encoded.tobytes()
    return data
