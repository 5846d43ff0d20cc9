"""Word of compiling while it lasts: the first run on a machine compiles for half a minute, in silence otherwise."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

# Seconds: how long a pause in the program may be without a word, and how long it is between two words. The thread that
# says them wakes late where LLVM has the processor; nobody should wait two seconds without one.
FIRST, AGAIN = 1.0, 1.5
POLL = 0.125

log = logging.getLogger("caffelite")


class Rest(NamedTuple):
    """What is still to be compiled, as far as it is known: how many kernels, and for about how many seconds."""

    kernels: int
    seconds: float


class Report(NamedTuple):
    """How many kernels were compiled so far, and for how many seconds; `done`: none is compiled any more, for now."""

    kernels: int
    seconds: float
    done: bool
    rest: Rest | None = None  # None: not known

    def __str__(self) -> str:
        """Return the line that people see."""
        if self.done:
            return f"compiled kernels for this CPU, once: {self.kernels}, {self.seconds:.0f} s"
        if self.rest is None:
            return f"compiling kernels for this CPU, once: {self.kernels} so far, {self.seconds:.0f} s"
        count, left = self.kernels + self.rest.kernels, max(self.rest.seconds, 1)
        return f"compiling kernels for this CPU, once: {self.kernels} of {count}, about {left:.0f} s left"


class Compiled(NamedTuple):
    """What was compiled or loaded so far in this process, by names of kernels, and what is compiled just now.

    `seconds` is how long the ones that are compiled took, `since` how long ago the last of them was ready.
    """

    done: list[str]
    loaded: list[str]
    now: list[str]
    seconds: float
    since: float


Show = Callable[[Report], None]
Forecast = Callable[[Compiled], Rest | None]


def show_on_stderr(report: Report) -> None:
    """Write a line while kernels are compiled, unless caffelite's log was told to leave out information.

    Each is a line of its own, also on a terminal: what the program prints, or Python's prompt, may come at any time.
    """
    if report.done or sys.stderr is None or logging.getLogger("caffelite").level > logging.INFO:
        return
    try:
        sys.stderr.write(f"caffelite: {report}\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # of a closed file
        watch.show = _show_nothing  # nobody reads it


def _show_nothing(report: Report) -> None:
    """Show nothing."""


class CompileWatch:
    """Hears of each kernel that is compiled, from `begin` to `end`, and reports while they take long.

    Kernels compile the kernels that they call meanwhile; numba compiles in one thread at a time.

    forecast: tells what is still to be compiled; asked in the thread that reports, and no more once it has failed.
    """

    forecast: Forecast | None = None

    def __init__(self, show: Show) -> None:
        self.show = show
        self._now: list[str] = []  # each is compiled for the one before
        self._done: list[str] = []
        self._loaded: list[str] = []
        self._seconds = 0.0  # of all before those that are compiled now
        self._began = self._ended = 0.0
        self._thread: threading.Thread | None = None

    def begin(self, name: str) -> None:
        """Note that a kernel is compiled from now on."""
        if not self._now:
            self._began = time.monotonic()
        self._now.append(name)
        if len(self._now) == 1 and (self._thread is None or not self._thread.is_alive()):
            # it ended where nothing was compiled for a while, and a forked process has none
            self._thread = threading.Thread(target=self._run, name="caffelite-compiling", daemon=True)
            self._thread.start()

    def end(self, is_compiled: bool = True) -> None:
        """Note that it is compiled, or cannot be: numba then raises, or tries again with literal arguments."""
        name = self._now.pop()
        if is_compiled:
            self._done.append(name)
        self._ended = time.monotonic()
        if not self._now:
            self._seconds += self._ended - self._began

    def loaded(self, name: str) -> None:
        """Note that a kernel was found on disk."""
        self._loaded.append(name)

    def _run(self) -> None:
        """Report after FIRST seconds of compiling and every AGAIN seconds until nothing was compiled for FIRST seconds.

        What lies between two kernels counts from the first word on: the program still waits.
        """
        first_word, said = self._total() + FIRST, 0.0
        while self._now or time.monotonic() - self._ended < FIRST:
            due = time.monotonic() >= said + AGAIN if said else self._total() >= first_word
            if due and self._now:
                self.show(Report(len(self._done), self._total(), False, self._rest()))
                said = time.monotonic()
            time.sleep(POLL)
        if said:
            self.show(Report(len(self._done), self._total(), True))

    def _total(self) -> float:
        return self._seconds + (time.monotonic() - self._began if self._now else 0.0)

    def _rest(self) -> Rest | None:
        if self.forecast is None:
            return None
        total, since = self._total(), time.monotonic() - max(self._ended, self._began)
        seen = Compiled(self._done.copy(), self._loaded.copy(), self._now.copy(), max(total - since, 0.0), since)
        try:
            return self.forecast(seen)
        except Exception as err:  # of this thread nobody else would hear; people still want to know that it compiles
            self.forecast = None
            log.warning("How long compiling takes cannot be told: %s: %s", type(err).__name__, err)
            return None


watch = CompileWatch(show_on_stderr)
