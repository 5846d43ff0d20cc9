"""Caffe's log in Python: init_log and log, and the lines as glog writes them. Source: python/caffe/_caffe.cpp."""

import logging
import operator
import threading
import time
from typing import SupportsIndex

from caffelite.caffe_places import caffe_place
from caffelite.core.errors import UsageError, printable

LOGGER = logging.getLogger("caffelite")
LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
LETTERS = {logging.DEBUG: "I", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}


class GlogFormatter(logging.Formatter):
    """Puts level, time, thread and place before the text; further lines of the text stand alone, as in glog."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`, without a newline."""
        when = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micros = int(record.created * 1e6) % 1_000_000
        letter = LETTERS.get(record.levelno, "I")
        text = printable(record.getMessage())
        return f"{letter}{when}.{micros:06d} {threading.get_native_id():5d} {caffe_place(record)}] {text}"


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """What init_log adds; there is only one."""


def init_log(level: SupportsIndex = 0, stderr: bool = True) -> None:
    """Write the log to stderr as Caffe does: from information (0), warnings (1), errors (2) or nothing else (3) up.

    With `stderr` false only errors; there are no log files. Python's own `logging.basicConfig(level=logging.INFO)`
    shows the log, too. UsageError for a second call, which in Caffe ends the process.
    """
    number = operator.index(level)
    if not 0 <= number < len(LEVELS):
        raise UsageError(f"level is {number}; use 0 for information, 1 for warnings, 2 for errors or 3")
    if any(isinstance(handler, _Stderr) for handler in LOGGER.handlers):
        raise UsageError(
            "init_log was called before in this process; to change the level write "
            'logging.getLogger("caffelite").setLevel(logging.WARNING)'
        )
    handler = _Stderr()
    handler.setFormatter(GlogFormatter())
    if not stderr:
        handler.setLevel(logging.ERROR)
    LOGGER.addHandler(handler)
    LOGGER.propagate = False  # or a handler of the root logger would write each line once more
    LOGGER.setLevel(LEVELS[number])


def log(text: str | bytes) -> None:
    """Write a line of information to the log."""
    if not isinstance(text, (str, bytes)):
        raise TypeError(f"log takes a text, not {text!r}")
    LOGGER.info("%s", text.decode(errors="backslashreplace") if isinstance(text, bytes) else text)
