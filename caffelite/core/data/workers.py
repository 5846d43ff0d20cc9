"""How many threads decode and transform what a data layer reads."""

from __future__ import annotations

import operator
import os
from typing import SupportsIndex

from caffelite.core import container
from caffelite.core.errors import UsageError

VARIABLE = "CAFFELITE_DATA_WORKERS"
MOST = 16  # that are started where nobody says how many


def worker_count(given: SupportsIndex | None) -> int:
    """Return how many there are: as given, as the environment says, or as many as cores; UsageError for less than 1."""
    if given is not None:
        number = operator.index(given)
        if number < 1:
            raise UsageError(f"data_workers is {number}; use 1 or more threads")
        return number
    text = os.environ.get(VARIABLE)
    if text is None:
        return min(container.usable_cores(), MOST)
    if not (text.strip().isdecimal() and int(text) > 0):
        raise UsageError(f'{VARIABLE} is "{text}"; write how many threads decode images, 1 or more, or unset it')
    return int(text)
