"""Where a window of an image comes to lie in a square crop. Source: src/caffe/layers/window_data_layer.cpp."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.errors import DataError

Corners = tuple[int, int, int, int]  # x1, y1, x2, y2; pixels, both ends being inside


class Crop(NamedTuple):
    """How windows are cropped: the side of the square, pixels of context on each side, and the mode warp or square."""

    size: int
    context_pad: int = 0
    is_square: bool = False


class Placed(NamedTuple):
    """What is cut out of the image, to what size it is brought, and where it is put, in pixels; the rest stays 0."""

    region: Corners
    width: int
    height: int
    left: int
    top: int


def place_window(
    window: Corners, image_height: int, image_width: int, crop: Crop, mirrored: bool, dtype: np.dtype[Any]
) -> Placed:
    """Return where a window comes to lie; arithmetic is done in `dtype`, that of the net, as in Caffe.

    With context, or in square mode, the window is enlarged about its centre by size / (size - 2 * context_pad), and
    what lies outside of the image stays empty; else it is the window itself. An enlarged window is a pixel wider and
    higher than that says, as in Caffe.

    Raises DataError, which names neither image nor window, for a window outside of the image.
    """
    size = crop.size
    if not (crop.context_pad or crop.is_square):
        _check_inside(window, image_height, image_width)
        return Placed(window, size, size, 0, 0)
    x1, y1, x2, y2 = _enlarged(window, crop, dtype)
    scale_x, scale_y = dtype.type(size) / dtype.type(x2 - x1 + 1), dtype.type(size) / dtype.type(y2 - y1 + 1)
    left, top = max(0, -x1), max(0, -y1)
    right, bottom = max(0, x2 - image_width + 1), max(0, y2 - image_height + 1)
    region = (x1 + left, y1 + top, x2 - right, y2 - bottom)
    _check_inside(region, image_height, image_width)
    width = _round(dtype.type(region[2] - region[0] + 1) * scale_x)
    height = _round(dtype.type(region[3] - region[1] + 1) * scale_y)
    left = _round(dtype.type(right if mirrored else left) * scale_x)
    top = _round(dtype.type(top) * scale_y)
    width, height = min(width, size - left), min(height, size - top)
    if min(width, height) < 1:
        raise DataError(f"of it less than one pixel of {size} x {size} is inside of the image")
    return Placed(region, width, height, left, top)


def _enlarged(window: Corners, crop: Crop, dtype: np.dtype[Any]) -> Corners:
    x1, y1, x2, y2 = window
    scale = dtype.type(crop.size) / dtype.type(crop.size - 2 * crop.context_pad)
    half_width, half_height = dtype.type(x2 - x1 + 1) / 2, dtype.type(y2 - y1 + 1) / 2
    centre_x, centre_y = dtype.type(x1) + half_width, dtype.type(y1) + half_height
    if crop.is_square:
        half_width = half_height = max(half_width, half_height)
    half_width, half_height = half_width * scale, half_height * scale
    return (
        _round(centre_x - half_width),
        _round(centre_y - half_height),
        _round(centre_x + half_width),
        _round(centre_y + half_height),
    )


def _check_inside(region: Corners, height: int, width: int) -> None:
    x1, y1, x2, y2 = region
    if not (0 <= x1 <= x2 < width and 0 <= y1 <= y2 < height):
        raise DataError(f"it is not inside of the image, which is {width} wide and {height} high")


def _round(value: Any) -> int:
    """Return the nearest integer, halves away from zero, as C's round; Python's goes to even numbers."""
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), value))
