"""Images for nets, and Caffe's messages as arrays, as in caffe.io. Source: python/caffe/io.py.

An image is (H, W, K), RGB or grey, of values from 0 to 1; a Transformer makes of it what a net takes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from caffelite.core import container
from caffelite.core.blob import LARGE, Array
from caffelite.core.data.image import decode, opencv
from caffelite.core.data.resize import resize_image
from caffelite.core.errors import DataError, UsageError
from caffelite.core.files import read_file
from caffelite.image_transformer import Transformer
from caffelite.proto import caffe_pb2
from caffelite.proto_arrays import (
    array_to_blobproto,
    array_to_datum,
    arraylist_to_blobprotovector_str,
    blobproto_to_array,
    blobprotovector_str_to_arraylist,
    datum_to_array,
)

__all__ = [
    "Transformer",
    "array_to_blobproto",
    "array_to_datum",
    "arraylist_to_blobprotovector_str",
    "blobproto_to_array",
    "blobprotovector_str_to_arraylist",
    "caffe_pb2",
    "datum_to_array",
    "load_image",
    "oversample",
    "resize_image",
]

LUMINANCE = (0.2125, 0.7154, 0.0721)  # of red, green and blue


def load_image(filename: str | os.PathLike[str] | bytes | BinaryIO, color: bool = True) -> Array:
    """Return an image, float32, of values from 0 to 1: (H, W, 3) RGB, or with `color=False` (H, W, 1) grey.

    `filename` is a path or a file open for reading bytes. Values of 8 and 16 bits are divided by the largest; those of
    files that hold fractions stay. Grey becomes three equal channels, colour becomes its luminance. An alpha channel is
    left out with colour, and without it the image stands on white, as in pycaffe. EXIF's orientation is not followed.

    Raises FileNotFoundError or another OSError for a file that cannot be read, DataError, a ValueError, for one that
    is no image.
    """
    name, data = _content(filename)
    try:
        pixels = _pixels(data)
        return _color(pixels) if color else _gray(pixels)
    except DataError as err:
        raise DataError(f"{name}: {err.message()}" if name else err.message()) from None


def _content(filename: str | os.PathLike[str] | bytes | BinaryIO) -> tuple[str, bytes]:
    """Return the name and the bytes of a file."""
    if isinstance(filename, str | bytes | os.PathLike):
        return os.fsdecode(filename), read_file(os.fsdecode(filename))
    if not hasattr(filename, "read"):
        raise TypeError(f"load_image takes the name of a file, or a file that is open, not {filename!r}")
    data = filename.read()
    if not isinstance(data, bytes):
        raise UsageError(f"{filename!r} gives {type(data).__name__}, not bytes; open it with mode 'rb'")
    return str(getattr(filename, "name", "")), data


def _pixels(data: bytes) -> Array:
    """Return the pixels as OpenCV orders them.

    Raises DataError for no image, for pixels whose range is not known, and for more than memory holds as float32.
    """
    pixels = decode(data, opencv().IMREAD_UNCHANGED)
    if pixels.dtype not in (np.uint8, np.uint16) and pixels.dtype.kind != "f":
        raise DataError(f"its pixels are {pixels.dtype}, of which the range is not known; convert it to 8 or 16 bits")
    needed = pixels.shape[0] * pixels.shape[1] * 3 * np.dtype(np.float32).itemsize
    if needed > LARGE and needed > (have := container.available()):
        raise DataError(
            f"{pixels.shape[1]} x {pixels.shape[0]} pixels need {container.human(needed)} of memory, and "
            f"{container.human(have)} are available"
        )
    return pixels


def _color(pixels: Array) -> Array:
    channels = _channels(pixels)[:3]
    image = np.empty((*pixels.shape[:2], 3), np.float32)
    for i, channel in enumerate(channels if len(channels) == 3 else channels * 3):
        image[:, :, i] = _from_0_to_1(channel)
    return image


def _gray(pixels: Array) -> Array:
    channels = [_from_0_to_1(channel) for channel in _channels(pixels)]
    gray = channels[0]
    if len(channels) > 1:
        red, green, blue = (weight * channel for weight, channel in zip(LUMINANCE, channels, strict=False))
        gray = red + green + blue
    if len(channels) == 4:
        gray = channels[3] * gray + (1 - channels[3])
    return gray.astype(np.float32)[:, :, np.newaxis]


def _channels(pixels: Array) -> list[Array]:
    """Return the channels of OpenCV's pixels: grey, or red, green, blue and perhaps alpha."""
    if pixels.ndim == 2:
        return [pixels]
    count = pixels.shape[2]
    if count > 4:
        raise DataError(f"it has {count} channels; an image has 1 to 4")
    order = {1: (0,), 2: (0, 0, 0, 1), 3: (2, 1, 0), 4: (2, 1, 0, 3)}[count]  # of two the second is alpha
    return [pixels[:, :, i] for i in order]


def _from_0_to_1(channel: Array) -> Array:
    """Return float64 values."""
    if channel.dtype.kind == "f":
        return channel.astype(np.float64)
    return channel * (1 / np.iinfo(channel.dtype).max)


def oversample(images: Sequence[npt.ArrayLike], crop_dims: Sequence[int] | Array) -> Array:
    """Return ten crops (height, width) = `crop_dims` of each image (H, W, K): (10 * N, height, width, K), float32.

    Of each image the four corners, upper ones first and left before right, the centre, and these five mirrored.
    Raises UsageError, a ValueError, for images of different shapes, or smaller than the crops.
    """
    arrays = [np.asarray(image) for image in images]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) != 1 or len(shapes[0]) != 3:
        raise UsageError(f"oversample takes images of one shape (H, W, K), not {shapes or 'none'}")
    height, width, channels = shapes[0]
    crop_height, crop_width = (int(dim) for dim in crop_dims)
    if not (0 < crop_height <= height and 0 < crop_width <= width):
        raise UsageError(f"crop_dims is {crop_height} x {crop_width}, the images are {height} x {width}")
    middle = int(height / 2 - crop_height / 2), int(width / 2 - crop_width / 2)
    corners = [(y, x) for y in (0, height - crop_height) for x in (0, width - crop_width)]
    crops = np.empty((10 * len(arrays), crop_height, crop_width, channels), np.float32)
    for i, array in enumerate(arrays):
        for j, (y, x) in enumerate([*corners, middle]):
            crops[10 * i + j] = array[y : y + crop_height, x : x + crop_width]
        crops[10 * i + 5 : 10 * i + 10] = crops[10 * i : 10 * i + 5, :, ::-1]
    return crops
