"""On a terminal: a line that says which command is at work, when nothing was written for two seconds."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

from caffelite.cli import glog, streams
from caffelite.cli.program import NAME

AFTER = 2.0  # seconds without a word
EVERY = 0.5

_waiting: list[Waiting] = []  # the one that is at work, if there is one


class Waiting:
    """Draws the line from a thread; whatever is written through streams.py takes its place, and the clock starts again.

    `text` stands in front of the seconds since the command began.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._began = self._wrote = time.monotonic()
        self._shown = False
        self._suspended = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            with self._lock:
                now = time.monotonic()
                if not self._suspended and now - self._wrote >= AFTER:
                    self._write(f"\r\x1b[K{self._text}: {now - self._began:.0f} s")
                    self._shown = True

    def clear(self) -> None:
        """Make room for what is written next."""
        with self._lock:
            self._wrote = time.monotonic()
            if self._shown:
                self._write("\r\x1b[K")
                self._shown = False

    def suspend(self, change: int) -> None:
        """Draw nothing while the sum of the changes is above 0."""
        self.clear()
        with self._lock:
            self._suspended += change

    def end(self) -> None:
        """Take the line away for good."""
        self._ended.set()
        self._thread.join()
        self.clear()

    def _write(self, text: str) -> None:
        with streams.stderr_may_fail():
            sys.stderr.write(text)
            sys.stderr.flush()


@contextmanager
def shown(command: str) -> Iterator[None]:
    """Draw the line for a command while the block runs, if log lines go to a terminal."""
    if glog.screen() is None or not streams.stderr_is_terminal():
        yield
        return
    waiting = Waiting(f"{NAME} {command}")
    before, streams.before_write = streams.before_write, waiting.clear
    _waiting.append(waiting)
    try:
        yield
    finally:
        _waiting.remove(waiting)
        streams.before_write = before
        waiting.end()


@contextmanager
def suspended() -> Iterator[None]:
    """Draw no line while the block runs, which draws or prints by itself."""
    waiting = _waiting[-1] if _waiting else None
    if waiting is not None:
        waiting.suspend(1)
    try:
        yield
    finally:
        if waiting is not None:
            waiting.suspend(-1)


@contextmanager
def printing() -> Iterator[None]:
    """Let what the block prints take the line's place, too; behind text without its end of line none is drawn."""
    if not _waiting or sys.stdout is None:
        yield
        return
    printed = _Printed(sys.stdout, _waiting[-1])
    try:
        with redirect_stdout(printed):
            yield
    finally:
        printed.write("\n" if printed.is_within_line else "")


class _Printed(io.TextIOBase):
    """A terminal that a line is drawn on. It has no file number, so that input() writes its prompt here, too."""

    def __init__(self, stream: TextIO, waiting: Waiting) -> None:
        self._stream, self._waiting = stream, waiting
        self.is_within_line = False

    def write(self, text: str) -> int:
        """Write the text, and draw no line until its own is at its end."""
        self._waiting.suspend(1)
        try:
            self._stream.write(text)
        finally:
            was_within = self.is_within_line
            self.is_within_line = not text.endswith("\n") if text else was_within
            self._waiting.suspend(int(self.is_within_line) - int(was_within) - 1)
        return len(text)

    def flush(self) -> None:
        """Write what is in the buffer."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether somebody looks on."""
        return self._stream.isatty()
