"""Log lines as glog writes them, since parsers read them: `I1121 15:47:03.123456 12345 solver.cpp:57] text`.

The date has four digits: newer glog writes eight, which Caffe's own parsers cannot read.
"""

import getpass
import logging
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from caffelite.cli import streams
from caffelite.cli.command import Arguments
from caffelite.cli.flags import Flag, boolean, int32, string
from caffelite.core.errors import UsageError, printable
from caffelite.core.files import Kind, UnreachableError, kind_of
from caffelite.core.kernels.jit.progress import Report, watch
from caffelite.pycaffe_log import GlogFormatter

LOGTOSTDERR = boolean("logtostderr", "Log to stderr only, not to files.")
ALSOLOGTOSTDERR = boolean("alsologtostderr", "Log everything to stderr, also beside files.", default=True)
STDERRTHRESHOLD = int32("stderrthreshold", 2, "With --noalsologtostderr, the lowest level that still goes to stderr.")
MINLOGLEVEL = int32("minloglevel", 0, "Lowest level to log: 0 information, 1 warnings, 2 errors.")
LOG_DIR = string("log_dir", "", "Folder for log files; there are none without it.", metavar="DIR")
QUIET = boolean("quiet", "Show results and warnings, without the log of how nets and solvers are set up.")
FLAGS: tuple[Flag[Any], ...] = (QUIET, LOGTOSTDERR, ALSOLOGTOSTDERR, STDERRTHRESHOLD, MINLOGLEVEL, LOG_DIR)

LOGGER = logging.getLogger("caffelite")
LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
NAMES = {logging.INFO: "INFO", logging.WARNING: "WARNING", logging.ERROR: "ERROR"}


class StderrHandler(logging.Handler):
    """Writes to stderr; `write` may be put in place by what else draws on the terminal.

    What ends the program is written as an error message of a command, not as a line of a log. With `quiet`, what is
    logged while `setting_up` is entered is left out, but for warnings and errors.
    """

    def __init__(self, quiet: bool = False) -> None:
        super().__init__()
        self.write: Callable[[str], object] = streams.write_stderr
        self.quiet = quiet
        self.setting_up = False
        self.setFormatter(GlogFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if self.quiet and self.setting_up and record.levelno < logging.WARNING:
            return
        if record.levelno >= logging.CRITICAL:
            self.write(f"caffelite: error: {printable(record.getMessage())}")
        else:
            self.write(self.format(record))

    def show_compiling(self, report: Report) -> None:
        """Write that kernels are compiled, where information is written at all; it is no line of Caffe's log."""
        if self.level <= logging.INFO and not report.done:
            self.write(f"caffelite: {report}")


class LogFolder:
    """The folder of glog's files. When one of them cannot be written, none is any more; a log line says so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failed = False

    def fail(self, err: OSError) -> None:
        """Write no more: a full or lost disk must not cost the run, nor a warning for each line of the log."""
        self.failed = True
        LOGGER.warning("--log_dir: %s takes no more of the log (%s); going on without", self.path, err.strerror or err)


class SeverityFile(logging.Handler):
    """One of glog's files: all records from `level` up, made when the first of them comes."""

    def __init__(self, folder: LogFolder, level: int) -> None:
        super().__init__(level)
        self.setFormatter(GlogFormatter())
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.folder = folder
        self.link = folder.path / f"caffelite.{NAMES[level]}"
        self.path = folder.path / f"caffelite.{_host()}.{_user()}.log.{NAMES[level]}.{stamp}.{os.getpid()}"

    def emit(self, record: logging.LogRecord) -> None:
        """Append one record, unless the folder has failed."""
        if self.folder.failed:
            return
        try:
            self._append(self.format(record))
        except OSError as err:
            self.folder.fail(err)

    def _append(self, line: str) -> None:
        new = not self.path.exists()
        with open(self.path, "a", encoding="utf-8", errors="backslashreplace") as file:  # names may be no UTF-8
            if new:
                file.write(_header())
                self._point_link()
            file.write(line + "\n")

    def _point_link(self) -> None:
        """Let `caffelite.INFO` lead to the newest file; a file system without links goes without."""
        try:
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(self.path.name)
        except OSError as err:
            streams.write_stderr(f"caffelite: {self.link} is not linked to the newest log: {err}")


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
    screen = StderrHandler(value[QUIET])
    screen.setLevel(lowest if on_stderr else LEVELS[min(max(value[STDERRTHRESHOLD], 0), 3)])
    handlers: list[logging.Handler] = [screen]
    if value[LOG_DIR] and not value[LOGTOSTDERR]:
        folder = _log_folder(value[LOG_DIR])
        handlers += [SeverityFile(folder, level) for level in NAMES]
    before = LOGGER.level, LOGGER.propagate, watch.show
    watch.show = screen.show_compiling
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
        level, LOGGER.propagate, watch.show = before
        LOGGER.setLevel(level)  # which also forgets what logging remembers of the level before


def _values(arguments: Arguments) -> dict[Flag[Any], Any]:
    """Values of the flags of this file: from the command line, else from the environment."""
    values = {}
    for flag in FLAGS:
        text = os.environ.get(f"GLOG_{flag.name}")
        values[flag] = arguments[flag] if text is None or arguments.given(flag) else flag.value_of(text)
    return values


def _log_folder(path: str) -> LogFolder:
    try:
        kind = kind_of(path)
    except UnreachableError as err:
        raise UsageError(f"--log_dir: {path}: {err}") from None
    if kind is not Kind.FOLDER:
        raise UsageError(f"--log_dir is {path}, which is no folder; make it first")
    return LogFolder(Path(path))


def require_log() -> None:
    """Raise OutputError if some of the log was lost: neither stderr nor the files of --log_dir have all of it."""
    folders = [handler.folder for handler in LOGGER.handlers if isinstance(handler, SeverityFile)]
    if not folders or folders[0].failed:
        streams.require_stderr()


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    LOGGER.warning("%s", message)


def say(text: str) -> None:
    """Write a line for who looks at stderr, above what else is drawn there; it is no line of the log."""
    (screen() or StderrHandler()).write(f"caffelite: {text}")


def screen() -> StderrHandler | None:
    """Return the handler that writes information to stderr now, if there is one."""
    for handler in LOGGER.handlers:
        if isinstance(handler, StderrHandler) and handler.level <= logging.INFO:
            return handler
    return None


@contextmanager
def setting_up() -> Iterator[None]:
    """Enter this while nets and solvers are made: --quiet leaves out on stderr what they log."""
    handlers = [handler for handler in LOGGER.handlers if isinstance(handler, StderrHandler)]
    for handler in handlers:
        handler.setting_up = True
    try:
        yield
    finally:
        for handler in handlers:
            handler.setting_up = False
