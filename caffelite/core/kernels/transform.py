"""From pixels of any number type to the float batch: crop, subtract the mean, scale, mirror, and planes from channels.

Every value is read once and written once, so that the memory's speed is the limit; loops of all forms are vector code.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.pointers import pointer
from caffelite.core.kernels.jit.compile import kernel

Array = np.ndarray[Any, np.dtype[Any]]
U = np.uintp  # numba would look at a signed index whether it is below 0, and the loop would not be vector code


@kernel
def transform_planes(
    images: Array, h_offset: int, w_offset: int, mean: Array, scale: float, mirror: bool, out: Array
) -> None:
    """Fill out, (N, C, h, w), with (pixel - mean) * scale of images, (N, C, H, W), from these offsets on.

    `mean` is (C, H, W), or (C, 1, W) for all rows; it and `scale` are of out's number type, in which all is computed.
    `mirror` reverses the columns of out. All are C-contiguous.
    """
    _, channels, height, width = images.shape
    rows, columns = out.shape[2:]
    for plane in range(out.shape[0] * channels):
        for h in range(rows):
            pixels = pointer(images, (plane * height + h + h_offset) * width + w_offset)
            means = pointer(mean, _mean_row(mean, plane % channels, h + h_offset) * width + w_offset)
            target = pointer(out, (plane * rows + h) * columns)
            _fill_row(out.dtype, pixels, means, scale, mirror, target, columns)


@kernel
def transform_interleaved(
    images: Array, h_offset: int, w_offset: int, mean: Array, scale: float, mirror: bool, out: Array
) -> None:
    """Do as transform_planes, from images, (N, H, W, C): as OpenCV has them."""
    num, height, width, channels = images.shape
    rows, columns = out.shape[2:]
    line = np.empty((channels, columns), images.dtype)  # a row of each channel, which stays in the fastest cache
    for n in range(num):
        for h in range(rows):
            pixels = pointer(images, ((n * height + h + h_offset) * width + w_offset) * channels)
            _split_row(pixels, channels, pointer(line, 0), columns)
            for c in range(channels):
                means = pointer(mean, _mean_row(mean, c, h + h_offset) * width + w_offset)
                target = pointer(out, ((n * channels + c) * rows + h) * columns)
                _fill_row(out.dtype, pointer(line, c * columns), means, scale, mirror, target, columns)


@kernel
def _mean_row(mean: Array, c: int, row: int) -> Any:
    """Return which row of mean, of all its rows in order, is for this row of channel c."""
    rows = mean.shape[1]
    return c * rows + (row if rows > 1 else 0)


@kernel
def _split_row(pixels: Any, channels: int, line: Any, width: int) -> None:
    """Fill line, (C, w), from pixels, (w, C); three reads side by side become wide reads and shuffles."""
    count = U(width)
    if channels == 3:
        for w in range(count):
            line[w] = pixels[U(3) * w]
            line[count + w] = pixels[U(3) * w + U(1)]
            line[U(2) * count + w] = pixels[U(3) * w + U(2)]
    else:
        for c in range(U(channels)):
            for w in range(count):
                line[c * count + w] = pixels[w * U(channels) + c]


@kernel
def _fill_row(number: Any, pixels: Any, means: Any, scale: float, mirror: bool, out: Any, width: int) -> None:
    """Fill a row with (pixel - mean) * scale in `number`, the type of out; all are pointers."""
    last = U(width - 1)
    if mirror:
        for w in range(U(width)):
            out[last - w] = (number.type(pixels[w]) - means[w]) * scale
    else:
        for w in range(U(width)):
            out[w] = (number.type(pixels[w]) - means[w]) * scale
