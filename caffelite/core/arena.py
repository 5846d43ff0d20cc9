"""Arena: all parameters of a net in one data buffer and one diff buffer, so that updating them is one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelite.core.aligned import ALIGNMENT, aligned_zeros
from caffelite.core.blob import Array, Blob
from caffelite.core.errors import OutOfMemoryError


@dataclass
class LearnableParam:
    """A parameter blob that owns its values (sharers by name view them), and its range in the arena.

    `offset` and `count` are in elements; `offset` is a multiple of a cache line.
    """

    blob: Blob
    lr_mult: float
    decay_mult: float
    layer_name: str
    index: int  # among the layer's blobs
    offset: int = 0

    @property
    def count(self) -> int:
        """Number of elements."""
        return self.blob.count


class Arena:
    """Flat `data` and `diff` of all learnable parameters; the blobs become views of them, keeping their values.

    Parameters lie in the order in which their gradients become final in the backward pass: those of the last layer
    first. The gaps that alignment leaves hold zeros, in both buffers, always.
    """

    def __init__(self, params: list[LearnableParam], dtype: np.dtype[Any]) -> None:
        step = ALIGNMENT // dtype.itemsize
        end = 0
        for param in reversed(params):
            param.offset = end
            end += -(-param.count // step) * step
        self.data: Array = _zeros(end, dtype)
        for param in params:
            part = self.data[param.offset : param.offset + param.count]
            part[:] = param.blob.data.reshape(-1)
            param.blob.set_data_storage(part)
        # after the values have left their first places, so that there are never three copies
        self.diff: Array = _zeros(end, dtype)
        for param in params:
            param.blob.set_diff_storage(self.diff[param.offset : param.offset + param.count])


def _zeros(count: int, dtype: np.dtype[Any]) -> Array:
    try:
        return aligned_zeros(count, dtype)
    except OutOfMemoryError as err:
        raise OutOfMemoryError(f"the parameters of the net, {count} values: {err}") from None
