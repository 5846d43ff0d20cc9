"""The k largest values along the middle axis of (outer, C, inner), and where they are. float32 and float64."""

from typing import Any

import numpy as np

from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]


def k_largest(bottom: Array, places: Array | None, values: Array | None) -> None:
    """Overwrite places (as floats) and values, both (outer, k, inner), in descending order; either may be None.

    Of equal values the one farther along the axis comes first. k is at most C.
    """
    given = places if places is not None else values
    assert given is not None
    nothing = np.empty((0, 0, 0), bottom.dtype)
    form(_k_largest, 2 * bottom.size)(
        bottom, nothing if places is None else places, nothing if values is None else values, given.shape[1]
    )


@parallel_kernel
def _k_largest(bottom: Array, places: Array, values: Array, top_k: int, worker: int, workers: int) -> None:
    begin, end = share_of(bottom.shape[0] * bottom.shape[2], worker, workers)
    _part(bottom, places, values, top_k, int(begin), int(end))


@kernel
def _part(bottom: Array, places: Array, values: Array, top_k: int, begin: int, end: int) -> None:
    best, where = np.empty(top_k, bottom.dtype), np.empty(top_k, np.int64)
    for position in range(begin, end):
        n, i = position // bottom.shape[2], position % bottom.shape[2]
        for c in range(bottom.shape[1]):
            x = bottom[n, c, i]
            if c >= top_k and not x >= best[top_k - 1]:
                continue
            rank = min(c, top_k - 1)
            while rank > 0 and x >= best[rank - 1]:  # not >: of equal values the later one goes first
                best[rank], where[rank] = best[rank - 1], where[rank - 1]
                rank -= 1
            best[rank], where[rank] = x, c
        for rank in range(top_k):
            if places.size:
                places[n, rank, i] = where[rank]
            if values.size:
                values[n, rank, i] = best[rank]
