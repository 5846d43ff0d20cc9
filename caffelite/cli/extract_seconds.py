"""`caffelite extract_seconds`: the times of a log's iterations. Source: tools/extra/extract_seconds.py."""

from __future__ import annotations

from pathlib import Path

from caffelite.cli.command import Arguments, command
from caffelite.core.errors import UsageError
from caffelite.core.files import file_problem


@command("extract_seconds", "write the times of a training log's iterations", flags=(), positionals="LOG OUT")
def extract_seconds(arguments: Arguments) -> None:
    """Write, for each line of LOG that has the word Iteration, the seconds since training began to the file OUT.

    For example:

      caffelite extract_seconds train.log seconds.txt
    """
    from caffelite.tools.parse_log import extract_seconds

    log, out = map(Path, arguments.positionals)
    if problem := file_problem(log):
        raise UsageError(problem)
    extract_seconds(log, out)
