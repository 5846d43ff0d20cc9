"""The slope of any function, found by changing one number at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from caffelite.core.blob import Array


def differences(function: Callable[[], float], values: Array, step: float = 1e-4) -> Array:
    """Return (f(v + step) - f(v - step)) / (2 step) for each v of `values`, which `function` reads.

    `values` is changed in place and put back; float64 is meant.
    """
    slopes = np.empty(values.shape)
    for place in np.ndindex(values.shape):
        kept = values[place]
        values[place] = kept + step
        above = function()
        values[place] = kept - step
        slopes[place] = (above - function()) / (2 * step)
        values[place] = kept
    return slopes
