"""Dropout with a mask that is a hash of key and element: nothing to store, and the same for any number of threads."""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.math import select
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.neuron_functions import BLOCK, copy_back
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]
U32 = np.uint32


def dropout(values: Array, key: int, dropout_ratio: float, out: Array, scaled: bool = True) -> None:
    """Fill out, which may be `values`, with 0 for dropout_ratio of the elements and values / (1 - dropout_ratio) else.

    With `scaled` false the others are the values themselves.
    `key`, 64 bits, chooses the elements: forward and backward of one pass use the same. 0 <= dropout_ratio < 1.
    """
    threshold = min(round(dropout_ratio * 2**32), 2**32 - 1)
    factor = values.dtype.type(1 / (1 - dropout_ratio) if scaled else 1)
    form(_dropout, 2 * values.size)(
        values.reshape(-1), U32(key & 0xFFFFFFFF), U32(key >> 32), U32(threshold), factor, out.reshape(-1))  # fmt: skip


@parallel_kernel
def _dropout(
    values: Array, low: int, high: int, threshold: int, factor: float, out: Array, worker: int, workers: int
) -> None:
    _dropout_part(values, low, high, threshold, factor, out, worker, workers)


@kernel
def _dropout_part(
    values: Array, low: int, high: int, threshold: int, factor: float, out: Array, worker: int, workers: int
) -> None:
    zero, buffer = values.dtype.type(0), np.empty(BLOCK, values.dtype)
    begin, end = share_of(values.size, worker, workers)
    for at in range(begin, end, np.uintp(BLOCK)):
        count = min(np.uintp(BLOCK), end - at)
        first = U32(at)
        for i in range(count):
            kept = hash_bits(U32(first + U32(i)), low, high) >= threshold
            buffer[i] = select(kept, factor * values[at + i], zero)
        copy_back(buffer, count, out, at)


@kernel
def hash_bits(index: int, low: int, high: int) -> Any:
    """Return 32 evenly spread bits: three rounds of multiply and fold, the key's halves mixed in between."""
    h = U32(index * U32(0x9E3779B9)) ^ low
    h = U32((h ^ (h >> U32(16))) * U32(0x85EBCA6B)) ^ high
    h = U32((h ^ (h >> U32(13))) * U32(0xC2B2AE35))
    h = U32((h ^ (h >> U32(16))) * U32(0x7FEB352D))
    return h ^ (h >> U32(15))
