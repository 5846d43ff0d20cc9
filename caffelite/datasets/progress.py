"""A word in the log, every second or two, on how far something long has come."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("caffelite")

AGAIN = 1.5  # seconds


class Progress:
    """Logs `what: 23000 of 60000 records`, at most every AGAIN seconds, and nothing of what is done before that.

    `23000 records` if the total is not known.
    """

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self._what, self._unit = what, unit
        self._of_total = "" if total is None else f" of {total}"
        self._said = time.monotonic()

    def reached(self, done: int) -> None:
        """Take note that `done` of `total` are done, in the unit that both have."""
        now = time.monotonic()
        if now - self._said >= AGAIN:
            self._said = now
            log.info("%s: %d%s %s", self._what, done, self._of_total, self._unit)
