"""How work is shared among threads: which elements are a worker's, and when starting the threads pays."""

from typing import Any

import numpy as np

from caffelite.core.kernels.jit.compile import kernel

SERIAL_BELOW = 100_000  # elements that one core adds or copies in about the time of a parallel launch


def form(pair: Any, count: float) -> Any:
    """Return the form of a parallel kernel, parallel or serial, that pays for work like adding `count` elements.

    In register tiles a multiply-add of a matrix product is half of that, in a convolution's windows it is two.
    """
    return pair.serial if count < SERIAL_BELOW else pair


@kernel
def share_of(count: int, worker: int, workers: int) -> Any:
    """Return first and last + 1 of the elements of range(count) that are this worker's.

    They are unsigned, since an index that cannot be negative is cheaper; see signed_share_of.
    """
    return np.uintp(count * worker // workers), np.uintp(count * (worker + 1) // workers)


@kernel
def signed_share_of(count: int, worker: int, workers: int) -> Any:
    """Return share_of as signed numbers, to compute with: numba makes a float of a sum of both kinds."""
    return np.intp(count * worker // workers), np.intp(count * (worker + 1) // workers)
