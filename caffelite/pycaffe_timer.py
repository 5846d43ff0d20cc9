"""Timer: milliseconds between two calls. Source: src/caffe/util/benchmark.cpp."""

import logging
import time

log = logging.getLogger("caffelite")


class Timer:
    """A stopwatch for the last interval from `start()` to `stop()`, in whole milliseconds."""

    def __init__(self) -> None:
        self._started: float | None = None  # what the clock showed; None while it stands still
        self._elapsed: float | None = None  # seconds of the last interval; None before the first

    def start(self) -> None:
        """Begin an interval; nothing if one is running."""
        if self._started is None:
            self._started = time.perf_counter()

    def stop(self) -> None:
        """End the interval; nothing if none is running."""
        if self._started is not None:
            self._elapsed = time.perf_counter() - self._started
            self._started = None

    @property
    def ms(self) -> float:
        """Milliseconds of the last interval, cut off to a whole number; ends one that is running.

        0, with a warning, for a timer that was never started.
        """
        self.stop()
        if self._elapsed is None:
            log.warning("Timer has never been run before reading time.")
            return 0.0
        return float(int(self._elapsed * 1e3))
