"""`caffelite check`: all errors and warnings of nets and solvers at once, without their data."""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import boolean
from caffelite.cli.options import (
    ALLOW_UNKNOWN_FIELDS,
    JSON,
    LAYERS,
    LEVEL,
    NO_PYTHON_LAYERS,
    PHASE,
    SHAPE,
    STAGE,
    shapes,
    stages,
)
from caffelite.cli.streams import write_stdout

if TYPE_CHECKING:
    from caffelite.checking.problems import Problem

WARNINGS_AS_ERRORS = boolean("warnings_as_errors", "Let the command fail for warnings, too.")
FAILED = 1
SILENCE = 2.0  # seconds, until a line on stderr says where the command is


@command(
    "check",
    "find all mistakes in nets and solvers, without their data",
    flags=(WARNINGS_AS_ERRORS, JSON, SHAPE, PHASE, LEVEL, STAGE, LAYERS, ALLOW_UNKNOWN_FIELDS, NO_PYTHON_LAYERS),
    positionals="FILE...",
    flag_help={
        JSON: "Print a list of objects with file, line, column, severity and text.",
        PHASE: "Phase in which nets are looked at; each for which they have rules if not given.",
    },
)
def check(arguments: Arguments) -> int:
    """Build each FILE, a net or a solver with its nets, and print everything that is wrong with it.

    Data need not be there: its shapes come from the file, from the data sets of `caffelite dataset`, or from --shape.
    Python layers are run, up to their set-up. Each line is `file:line: error: text`, also with warning or note (what
    had to be assumed) in place of error; a line or column that is not known is left out.
    Exit status: 0 if there are no errors, 1 if there are, or with --warnings_as_errors if there are warnings.

      caffelite check models/*/*.prototxt solvers/*.prototxt
      caffelite check --warnings_as_errors --shape "data=64,3,32,32 label=64" train_val.prototxt
    """
    from caffelite.checking.file import check_file
    from caffelite.checking.net import Options
    from caffelite.checking.problems import distinct

    options = Options(shapes(arguments), not arguments[NO_PYTHON_LAYERS])
    state = arguments[PHASE], arguments[LEVEL], stages(arguments)
    problems: list[Problem] = []
    said = monotonic()
    for number, path in enumerate(arguments.positionals, start=1):
        if monotonic() - said > SILENCE:
            glog.say(f"checking {path} ({number} of {len(arguments.positionals)})")
            said = monotonic()
        fresh = [problem for problem in check_file(path, options, *state) if problem not in problems]
        problems += fresh  # a solver has said what is wrong with its net
        if not arguments[JSON]:
            for problem in fresh:
                write_stdout(str(problem))
    if arguments[JSON]:
        write_stdout(json.dumps([problem._asdict() for problem in distinct(problems)], indent=1))
    else:
        write_stdout(_summary(problems, len(arguments.positionals)))
    counted = {"error", "warning"} if arguments[WARNINGS_AS_ERRORS] else {"error"}
    return FAILED if any(problem.severity in counted for problem in problems) else 0


def _summary(problems: list[Problem], files: int) -> str:
    counts = [_counted(sum(problem.severity == word for problem in problems), word) for word in ("error", "warning")]
    return f"{' and '.join(counts)} in {_counted(files, 'file')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
