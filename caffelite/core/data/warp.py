"""Crop, turn and zoom of an image in one step, by OpenCV: each pixel is resampled once."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.augmentation import FIELD, Geometry
from caffelite.core.data.image import opencv
from caffelite.core.errors import DataError, LayerError
from caffelite.proto import caffe_pb2

MOST_CHANNELS = 4  # that OpenCV resamples together


def check_opencv() -> None:
    """Raise LayerError if OpenCV is not installed."""
    try:
        opencv()
    except DataError:
        raise LayerError(
            FIELD,
            "set, with rotation, zoom or aspect",
            "images are turned and zoomed by OpenCV: pip install 'caffelite[image]', or leave these out",
        ) from None


def warped(
    image: Array, geometry: Geometry, offsets: tuple[int, int], size: tuple[int, int], border: int, means: list[float]
) -> Array:
    """Return the crop of this size, rows and columns, that begins at these offsets of image, (C, H, W), changed so.

    The number type stays; it is uint8, float32 or float64. What lies outside of the image is made up as `border`, a
    number of AugmentationParameter.Border, says; `means` are the channels'. float64 is resampled as float32.
    """
    if image.dtype == np.float64:  # OpenCV 5 rounds places to 1/32 of a pixel for it, and not for float32
        return warped(image.astype(np.float32), geometry, offsets, size, border, means).astype(np.float64)
    cv2 = opencv()
    height, width = size
    matrix = geometry.source_of(((width - 1) / 2, (height - 1) / 2), *offsets)
    mode: int = {
        "REFLECT": cv2.BORDER_REFLECT_101,
        "REPLICATE": cv2.BORDER_REPLICATE,
        "MEAN": cv2.BORDER_CONSTANT,
    }[caffe_pb2.AugmentationParameter.Border.Name(border)]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

    def warp(source: Array, value: list[float]) -> Array:
        try:
            result: Array = cv2.warpAffine(
                source, matrix, (width, height), flags=flags, borderMode=mode, borderValue=value
            )
        except cv2.error as err:  # as for sides of 32767 pixels
            of = f"of {image.shape[1]} x {image.shape[2]}"
            raise LayerError(FIELD, "set", f"OpenCV cannot turn or zoom an image {of}: {err.err}") from None
        return result

    pixels = image.transpose(1, 2, 0)
    if 1 < len(image) <= MOST_CHANNELS and pixels.flags.c_contiguous:
        together: Array = warp(pixels, means).transpose(2, 0, 1)
        return together
    return np.stack([warp(np.ascontiguousarray(plane), [mean]) for plane, mean in zip(image, means, strict=True)])
