"""Word of compiling while it lasts: the first run on a machine compiles for half a minute, in silence otherwise."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

FIRST, AGAIN = 1.0, 2.0  # seconds: how long a pause in the program may be without a word, and between two words
POLL = 0.25


class Report(NamedTuple):
    """How many kernels were compiled so far, and for how many seconds; `done`: none is compiled any more, for now."""

    kernels: int
    seconds: float
    done: bool

    def __str__(self) -> str:
        """Return the line that people see."""
        verb = "compiled" if self.done else "compiling"
        return f"{verb} kernels for this CPU, once: {self.kernels} so far, {self.seconds:.0f} s"


Show = Callable[[Report], None]


def show_on_stderr(report: Report) -> None:
    """Write the line, on a terminal always the same one, unless caffelite's log was told to leave out information."""
    if sys.stderr is None or logging.getLogger("caffelite").level > logging.INFO:
        return
    try:
        if not sys.stderr.isatty():
            if not report.done:
                sys.stderr.write(f"caffelite: {report}\n")
        elif report.done:
            sys.stderr.write("\r\x1b[K")
        else:
            sys.stderr.write(f"\r\x1b[Kcaffelite: {report}")
        sys.stderr.flush()
    except OSError:
        watch.show = _show_nothing  # nobody reads it


def _show_nothing(report: Report) -> None:
    """Show nothing."""


class CompileWatch:
    """Hears of each kernel that is compiled, from `begin` to `end`, and reports while they take long.

    Kernels compile the kernels that they call meanwhile; numba compiles in one thread at a time.
    """

    def __init__(self, show: Show) -> None:
        self.show = show
        self._depth = self._kernels = 0
        self._seconds = 0.0  # of all before those that are compiled now
        self._began = self._ended = 0.0
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Note that a kernel is compiled from now on."""
        if self._depth == 0:
            self._began = time.monotonic()
        self._depth += 1
        if self._depth == 1 and (self._thread is None or not self._thread.is_alive()):
            # it ended where nothing was compiled for a while, and a forked process has none
            self._thread = threading.Thread(target=self._run, name="caffelite-compiling", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Note that it is compiled, or cannot be."""
        self._depth -= 1
        self._kernels += 1
        if self._depth == 0:
            self._ended = time.monotonic()
            self._seconds += self._ended - self._began

    def _run(self) -> None:
        """Report every AGAIN seconds until nothing was compiled for FIRST seconds."""
        next_word, said = self._total() + FIRST, False
        while self._depth or time.monotonic() - self._ended < FIRST:
            if self._total() >= next_word and self._depth:
                self.show(Report(self._kernels, self._total(), False))
                next_word, said = self._total() + AGAIN, True
            time.sleep(POLL)
        if said:
            self.show(Report(self._kernels, self._total(), True))

    def _total(self) -> float:
        return self._seconds + (time.monotonic() - self._began if self._depth else 0.0)


watch = CompileWatch(show_on_stderr)
