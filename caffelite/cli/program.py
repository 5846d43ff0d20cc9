"""What the user typed to start the program, so that a command which is printed works where it is read."""

import os
import shutil
import sys
from collections.abc import Sequence

NAME = "caffelite"


def words_typed(argv: Sequence[str], original: Sequence[str]) -> list[str]:
    """Return the words before the command: `caffelite`, `.venv/bin/caffelite` or `python -m caffelite`.

    `argv` and `original` are Python's sys.argv and sys.orig_argv. A name that was looked up on the PATH reaches the
    program as a whole path; it is given back as the name.
    """
    program = argv[0]
    if os.path.basename(program) == "__main__.py":
        return list(original[: len(original) - len(argv) + 1])
    name = os.path.basename(program)
    return [name] if program == shutil.which(name) else [program]


def of_this_process() -> list[str]:
    """Return the words that started this process."""
    return words_typed(sys.argv, sys.orig_argv)
