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
    """Write a line while kernels are compiled, unless caffelite's log was told to leave out information.

    Each is a line of its own, also on a terminal: what the program prints, or Python's prompt, may come at any time.
    """
    if report.done or sys.stderr is None or logging.getLogger("caffelite").level > logging.INFO:
        return
    try:
        sys.stderr.write(f"caffelite: {report}\n")
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
        """Report after FIRST seconds of compiling and every AGAIN seconds until nothing was compiled for FIRST seconds.

        What lies between two kernels counts from the first word on: the program still waits.
        """
        first_word, said = self._total() + FIRST, 0.0
        while self._depth or time.monotonic() - self._ended < FIRST:
            due = time.monotonic() >= said + AGAIN if said else self._total() >= first_word
            if due and self._depth:
                self.show(Report(self._kernels, self._total(), False))
                said = time.monotonic()
            time.sleep(POLL)
        if said:
            self.show(Report(self._kernels, self._total(), True))

    def _total(self) -> float:
        return self._seconds + (time.monotonic() - self._began if self._depth else 0.0)


watch = CompileWatch(show_on_stderr)
