"""What the user typed to start the program, so that a command which is printed works where it is read."""

import os
import shutil
import sys
from collections.abc import Sequence

from caffelite.core.errors import UsageError

NAME = "caffelite"


def words_typed(argv: Sequence[str], original: Sequence[str]) -> list[str]:
    """Return the words before the command: `caffelite`, `.venv/bin/caffelite` or `python -m caffelite`.

    `argv` and `original` are Python's sys.argv and sys.orig_argv. A name that was looked up on the PATH reaches the
    program as a whole path; it is given back as the name. What nobody can start by itself (__main__.py, a folder, the
    text of `python -c`) is given back with the Python before it.
    """
    program = argv[0]
    if program == "-c" or os.path.basename(program) == "__main__.py" or os.path.isdir(program):
        return list(original[: len(original) - len(argv) + 1])
    name = os.path.basename(program)
    return [name] if program == shutil.which(name) else [program]


def of_this_process() -> list[str]:
    """Return the words that started this process."""
    return words_typed(sys.argv, sys.orig_argv)


def check_environment() -> None:
    """Raise UsageError for a number of threads that numba, when it is imported, would refuse with a traceback."""
    name = "NUMBA_NUM_THREADS"
    threads = os.environ.get(name)
    if threads is not None and not (threads.strip().isdecimal() and int(threads) > 0):
        raise UsageError(f'{name} is "{threads}"; write how many threads to use, 1 or more, or unset it')


def working_directory_is_lost() -> bool:
    """Whether the directory in which the program runs was deleted, so that no relative path leads anywhere."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False
