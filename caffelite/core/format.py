"""Numbers and shapes as Caffe's log prints them: people's parsers expect its text."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt


def number(value: float) -> str:
    """Return `value` as a C++ stream does, with 6 significant digits: 0.1, 1e-05, 100000, 1e+06, nan, inf."""
    return f"{value:g}"


def shape_string(shape: Sequence[int]) -> str:
    """Return a shape with its count: `2 3 (6)`, a scalar as `(1)`."""
    return "".join(f"{dim} " for dim in shape) + f"({prod(shape)})"


def mean_abs(values: npt.NDArray[Any]) -> str:
    """Return the mean absolute value as debug_info prints it; 0 of no values."""
    return number(float(np.abs(values).sum()) / values.size) if values.size else "0"
