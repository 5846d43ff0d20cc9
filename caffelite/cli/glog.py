"""Log lines as glog writes them, since parsers read them: `I1121 15:47:03.123456 12345 solver.cpp:57] text`.

The date has four digits: newer glog writes eight, which Caffe's own parsers cannot read.
"""

import getpass
import logging
import os
import platform
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from caffelite.cli.caffe_places import caffe_place
from caffelite.cli.command import Arguments
from caffelite.cli.flags import Flag, boolean, int32, string
from caffelite.core.errors import UsageError, printable

LOGTOSTDERR = boolean("logtostderr", "Log to stderr only, not to files.")
ALSOLOGTOSTDERR = boolean("alsologtostderr", "Log everything to stderr, also beside files.", default=True)
STDERRTHRESHOLD = int32("stderrthreshold", 2, "With --noalsologtostderr, the lowest level that still goes to stderr.")
MINLOGLEVEL = int32("minloglevel", 0, "Lowest level to log: 0 information, 1 warnings, 2 errors.")
LOG_DIR = string("log_dir", "", "Folder for log files; there are none without it.", metavar="DIR")
FLAGS: tuple[Flag[Any], ...] = (LOGTOSTDERR, ALSOLOGTOSTDERR, STDERRTHRESHOLD, MINLOGLEVEL, LOG_DIR)

LOGGER = logging.getLogger("caffelite")
LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
NAMES = {logging.INFO: "INFO", logging.WARNING: "WARNING", logging.ERROR: "ERROR"}
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


class StderrHandler(logging.Handler):
    """Writes to stderr; `write` may be put in place by what else draws on the terminal.

    What ends the program is written as an error message of a command, not as a line of a log.
    """

    def __init__(self) -> None:
        super().__init__()
        self.write: Callable[[str], object] = write_stderr
        self.setFormatter(GlogFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if record.levelno >= logging.CRITICAL:
            self.write(f"caffelite: error: {printable(record.getMessage())}")
        else:
            self.write(self.format(record))


@contextmanager
def stderr_may_fail() -> Iterator[None]:
    """Go on where stderr cannot be written: a closed terminal or `| tee` must not cost the snapshot that follows."""
    try:
        yield
    except OSError:
        write_nowhere(sys.stderr)


def write_nowhere(stream: TextIO) -> None:
    """Send what is still written to the stream to nobody; Python, too, flushes it when the program ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write_stderr(line: str) -> None:
    """Write a line to stderr at once."""
    with stderr_may_fail():
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class SeverityFile(logging.Handler):
    """One of glog's files: all records from `level` up, made when the first of them comes."""

    def __init__(self, folder: Path, level: int) -> None:
        super().__init__(level)
        self.setFormatter(GlogFormatter())
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.link = folder / f"caffelite.{NAMES[level]}"
        self.path = folder / f"caffelite.{_host()}.{_user()}.log.{NAMES[level]}.{stamp}.{os.getpid()}"

    def emit(self, record: logging.LogRecord) -> None:
        """Append one record."""
        new = not self.path.exists()
        with open(self.path, "a", encoding="utf-8") as file:
            if new:
                file.write(_header())
                self._point_link()
            file.write(self.format(record) + "\n")

    def _point_link(self) -> None:
        """Let `caffelite.INFO` lead to the newest file; a file system without links goes without."""
        try:
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(self.path.name)
        except OSError as err:
            write_stderr(f"caffelite: {self.link} is not linked to the newest log: {err}")


def _header() -> str:
    return (
        f"Log file created at: {time.strftime('%Y/%m/%d %H:%M:%S')}\n"
        f"Running on machine: {_host()}\n"
        "Log line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg\n"
    )


def _host() -> str:
    return platform.node() or "localhost"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return "unknown"


@contextmanager
def installed(arguments: Arguments) -> Iterator[StderrHandler]:
    """Send the package's log and Python's warnings where the flags (or `GLOG_<flag>` in the environment) say."""
    value = _values(arguments)
    lowest = LEVELS[min(max(value[MINLOGLEVEL], 0), 3)]
    on_stderr = value[LOGTOSTDERR] or value[ALSOLOGTOSTDERR]
    screen = StderrHandler()
    screen.setLevel(lowest if on_stderr else LEVELS[min(max(value[STDERRTHRESHOLD], 0), 3)])
    handlers: list[logging.Handler] = [screen]
    if value[LOG_DIR] and not value[LOGTOSTDERR]:
        handlers += [SeverityFile(_log_folder(value[LOG_DIR]), level) for level in NAMES]
    before = LOGGER.level, LOGGER.propagate
    LOGGER.setLevel(lowest)
    LOGGER.propagate = False
    for handler in handlers:
        LOGGER.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _log_warning
            yield screen
    finally:
        for handler in handlers:
            LOGGER.removeHandler(handler)
        LOGGER.level, LOGGER.propagate = before


def _values(arguments: Arguments) -> dict[Flag[Any], Any]:
    """Values of the flags of this file: from the command line, else from the environment."""
    values = {}
    for flag in FLAGS:
        text = os.environ.get(f"GLOG_{flag.name}")
        values[flag] = arguments[flag] if text is None or arguments.given(flag) else flag.value_of(text)
    return values


def _log_folder(path: str) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"--log_dir is {path}, which is no folder; make it first")
    return folder


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    LOGGER.warning("%s", message)


def screen() -> StderrHandler | None:
    """Return the handler that writes information to stderr now, if there is one."""
    for handler in LOGGER.handlers:
        if isinstance(handler, StderrHandler) and handler.level <= logging.INFO:
            return handler
    return None


def stderr_is_terminal() -> bool:
    """Whether somebody looks at stderr on a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
