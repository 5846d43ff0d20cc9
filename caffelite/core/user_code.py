"""What code of the user's raised, in one line that says where in that code."""

from __future__ import annotations

import logging
import os
import traceback
from pathlib import Path

log = logging.getLogger("caffelite")

OURS = str(Path(__file__).resolve().parents[1])


def place_of(err: BaseException) -> tuple[str, int, str]:
    """Return file, line and code of where the user's code raised it, or of what cannot be read there.

    That is the last place that is not in this package, in Python or in another installed one, or else the last one
    outside of this package; ("", 0, "") if there is none.
    """
    if isinstance(err, SyntaxError) and err.filename:
        return err.filename, err.lineno or 0, (err.text or "").strip()
    frames = [frame for frame in traceback.extract_tb(err.__traceback__) if not _is_ours(frame.filename)]
    for frame in reversed([frame for frame in frames if not _is_installed(frame.filename)] or frames):
        return frame.filename, frame.lineno or 0, frame.line or ""
    return "", 0, ""


def _is_ours(file: str) -> bool:
    return file.startswith((OURS + os.sep, "<frozen"))


def _is_installed(file: str) -> bool:
    return file.startswith(os.path.dirname(os.__file__) + os.sep) or "site-packages" in file


def note(err: Exception, where: str) -> None:
    """Let `where` stand below the traceback of what the user's code raised (before Python 3.11: in the log)."""
    getattr(err, "add_note", log.error)(where)


def problem_in(err: BaseException) -> str:
    """Return `my_layers.py:3: NameError: name 'x' is not defined`, and what to change where that is known."""
    from caffelite.core.python2 import advice

    file, line, _ = place_of(err)
    where = f"{file}:{line}: " if file else ""
    text = err.msg if isinstance(err, SyntaxError) else str(err)
    change = advice(err)
    return f"{where}{type(err).__name__}: {text}{f'; {change}' if change else ''}"
