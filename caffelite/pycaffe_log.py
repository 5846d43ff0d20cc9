"""Caffe's log in Python: init_log and log, and the lines as glog writes them. Source: python/caffe/_caffe.cpp."""

import logging
import threading
import time

from caffelite.caffe_places import caffe_place
from caffelite.core.errors import printable

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


def init_log(level: int = 0) -> None:
    """Write the log to stderr as Caffe does: from information (0), warnings (1), errors (2) or nothing else (3) up.

    Called again, it changes the level. Python's own `logging.basicConfig(level=logging.INFO)` shows the log, too.
    """
    if not 0 <= level < len(LEVELS):
        raise ValueError(f"level is {level}; use 0 for information, 1 for warnings, 2 for errors or 3")
    handler = next((handler for handler in LOGGER.handlers if isinstance(handler, _Stderr)), None)
    if handler is None:
        handler = _Stderr()
        handler.setFormatter(GlogFormatter())
        LOGGER.addHandler(handler)
        LOGGER.propagate = False  # or a handler of the root logger would write each line once more
    LOGGER.setLevel(LEVELS[level])


def log(text: str) -> None:
    """Write a line of information to the log."""
    LOGGER.info("%s", text)
