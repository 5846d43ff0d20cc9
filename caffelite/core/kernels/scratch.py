"""Memory for what kernels write and read within one call. All kernels that a thread runs share it.

So a net needs as much as its largest layer, not as all layers together, and what one layer wrote is still in the cache
when the next one writes there.
"""

import threading

import numpy as np

from caffelite.core.aligned import aligned_zeros

_OWN = threading.local()


def scratch(slot: str, rows: int, floats: int) -> np.ndarray:
    """Return float32 (rows, floats) on a 64-byte boundary, of any contents.

    It is the caller's until `slot` is asked for again in the same thread. The largest array of a slot is kept.
    """
    slots: dict[str, np.ndarray] = _OWN.__dict__
    count = rows * floats
    if slot not in slots or slots[slot].size < count:
        slots[slot] = aligned_zeros(count)
    return slots[slot][:count].reshape(rows, floats)
