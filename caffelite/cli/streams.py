"""Standard output and error, which may be on a full disk, in a closed pipe or on a terminal that is gone."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from caffelite.core.errors import CaffeliteError


class OutputError(CaffeliteError):
    """What was asked for cannot be written to standard output or error."""


def _nothing() -> None:
    """Nobody has to make room."""


before_write: Callable[[], object] = _nothing  # called before each line; who draws on the terminal makes room for it
_lost: list[OSError] = []  # why the log on stderr ends before the program


def write_stdout(line: str) -> None:
    """Write a line to stdout at once. Raises BrokenPipeError if nobody reads it, OutputError for any other reason."""
    if sys.stdout is None:  # Python's own, where the shell closed it
        raise OutputError("cannot write to standard output: it is closed")
    before_write()
    with _clear_errors():
        try:
            print(line, flush=True)
        except UnicodeEncodeError:  # a name that the terminal's encoding has no letters for, or that is no text
            encoding = sys.stdout.encoding or "ascii"
            print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def write_text(text: str, file: str) -> None:
    """Write a text to a file, whole or not at all, and its name to stdout; the text itself there if no file is given.

    Raises as write_stdout, and as files do that cannot be written.
    """
    from caffelite.core.weights.atomic import replacing

    if not file:
        write_stdout(text.removesuffix("\n"))
        return
    with replacing(file) as target:
        target.write(text.encode())
    write_stdout(file)


def flush_stdout() -> None:
    """Write what others left in the buffer, as a Python layer that prints; raises as write_stdout."""
    if sys.stdout is not None:
        with _clear_errors():
            sys.stdout.flush()


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as err:
        write_nowhere(sys.stdout)
        raise OutputError(f"cannot write to standard output: {err.strerror or err}") from None


def write_stderr(line: str) -> None:
    """Write a line to stderr at once, if it can be written."""
    before_write()
    with stderr_may_fail():
        if sys.stderr is not None:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


@contextmanager
def stderr_may_fail() -> Iterator[None]:
    """Go on where stderr cannot be written: a closed terminal or `| tee` must not cost the snapshot that follows."""
    try:
        yield
    except OSError as err:
        if not isinstance(err, BrokenPipeError):
            _lost.append(err)
        write_nowhere(sys.stderr)


def require_stderr() -> None:
    """Raise OutputError if stderr lost a line, unless its reader ended, or was closed from the start."""
    if sys.stderr is None:
        raise OutputError("the results were not written: standard error is closed")
    if _lost:
        raise OutputError(f"the results were not written to standard error: {_lost[0].strerror or _lost[0]}")


def write_nowhere(stream: TextIO) -> None:
    """Send what is still written to the stream to nobody; Python, too, flushes it when the program ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def stderr_is_terminal() -> bool:
    """Whether somebody looks at stderr on a terminal that can move its cursor."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
