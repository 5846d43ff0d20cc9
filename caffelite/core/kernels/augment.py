"""Colours and noise of an image in a float batch, in place. float32 and float64."""

from typing import Any

import numpy as np

from caffelite.core.kernels.dropout import hash_bits
from caffelite.core.kernels.jit.compile import kernel

Array = np.ndarray[Any, np.dtype[Any]]
U32 = np.uint32
MIDDLE, DEVIATION = 8 * 127.5, (8 * (2**16 - 1) / 12) ** 0.5  # of the sum of eight bytes


@kernel
def mix_channels(image: Array, matrix: Array, offset: float) -> None:
    """Replace each pixel of image, (3, N), by matrix, (3, 3), times it, plus `offset`; all of one number type."""
    first, second, third = image[0], image[1], image[2]
    for i in range(np.uintp(image.shape[1])):
        x, y, z = first[i], second[i], third[i]
        first[i] = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + offset
        second[i] = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + offset
        third[i] = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + offset


@kernel
def add_noise(values: Array, std: float, low: int, high: int) -> None:
    """Add noise of this standard deviation, of the values' number type; `low` and `high`, 32 bits each, are its key.

    It is a sum of eight bytes, each evenly distributed: nearly normally distributed, and none is beyond 4.9 deviations.
    """
    step = values.dtype.type(std / DEVIATION)
    for i in range(np.uintp(values.size)):
        bits, more = hash_bits(U32(2 * i), low, high), hash_bits(U32(2 * i + 1), low, high)
        total = np.int32(_sum_of_bytes(bits) + _sum_of_bytes(more))
        values[i] += step * values.dtype.type(total - np.int32(MIDDLE))


@kernel
def _sum_of_bytes(bits: int) -> Any:
    pairs = (bits & U32(0x00FF00FF)) + ((bits >> U32(8)) & U32(0x00FF00FF))
    return (pairs & U32(0xFFFF)) + (pairs >> U32(16))
