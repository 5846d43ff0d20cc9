"""`caffelite lesson`: lessons that run, of what convolution, pooling and training do."""

from __future__ import annotations

import logging
import runpy
import shlex
from pathlib import Path

from caffelite.cli import waiting
from caffelite.cli.command import Arguments, command
from caffelite.cli.example import copy_files
from caffelite.cli.flags import string
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError
from caffelite.examples import lessons

LOGGER = logging.getLogger("caffelite")
COPY = string(
    "copy", "", "Copy the lesson to FOLDER/NAME, to read and change it, instead of running it.", metavar="FOLDER"
)


@command(
    "lesson",
    "list, run or copy lessons of what nets do",
    flags=(COPY,),
    positionals="[NAME]",
    first_words=lessons.lessons,
)
def lesson(arguments: Arguments) -> None:
    """Run lesson NAME, which prints what it finds; without NAME, list the lessons.

    A lesson takes seconds to two minutes. Its pictures are written to lessons/NAME (pip install 'caffelite[plot]'), its
    page is models/lessons/NAME/lesson.md. For example:

      caffelite lesson backward_by_hand
      caffelite lesson backward_by_hand --copy=mine
    """
    found = lessons.lessons()
    if not arguments.positionals:
        if arguments[COPY]:
            raise UsageError(f"--copy needs the name of a lesson; write caffelite lesson NAME --copy={arguments[COPY]}")
        for name in found:
            write_stdout(f"{name:20} {lessons.title(found[name])}")
        return
    folder = found[arguments.positionals[0]]
    if arguments[COPY]:
        target = Path(arguments[COPY])
        files = sorted(path for path in folder.iterdir() if path.is_file())
        files += [path for path in [folder.with_suffix(".py")] if path.is_file()]  # a program of its own
        for path in copy_files(files, folder.parent, target):
            write_stdout(str(path))
        write_stdout(f"To run it: python {shlex.quote(str(target / folder.name / lessons.SCRIPT))}")
        return
    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how each net is set up is not what the lesson shows
    with waiting.printing():
        runpy.run_path(str(folder / lessons.SCRIPT), run_name="__main__")
