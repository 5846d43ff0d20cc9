"""A word in the log, every second or two, on how far something long has come."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("caffelite")

AGAIN = 1.5  # seconds


class Progress:
    """Logs `what: 23000 of 60000 records`, at most every AGAIN seconds, and nothing of what is done before that."""

    def __init__(self, what: str, total: int, unit: str) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._said = time.monotonic()

    def reached(self, done: int) -> None:
        """Take note that `done` of `total` are done, in the unit that both have."""
        now = time.monotonic()
        if now - self._said >= AGAIN:
            self._said = now
            log.info("%s: %d of %d %s", self._what, done, self._total, self._unit)
