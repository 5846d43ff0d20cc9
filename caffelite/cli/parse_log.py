"""`caffelite parse_log`: the figures of a training log as tables. Source: tools/extra/parse_log.py, parse_log.sh."""

from __future__ import annotations

from pathlib import Path

from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import boolean, string
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError
from caffelite.core.files import file_problem

DELIMITER = string("delimiter", ",", "Character between the columns.", metavar="CHARACTER")
VERBOSE = boolean("verbose", "Print the names of the files that were written.")
GNUPLOT = boolean("gnuplot", "Write the tables of parse_log.sh: columns with blanks between, for gnuplot.")


@command(
    "parse_log",
    "write the figures of a training log as CSV files",
    flags=(DELIMITER, VERBOSE, GNUPLOT),
    positionals="LOG OUTDIR",
)
def parse_log(arguments: Arguments) -> None:
    """Write the outputs that LOG has of training and of tests to OUTDIR/LOG.train and OUTDIR/LOG.test, CSV files.

    Columns are NumIters, Seconds, LearningRate, then the outputs of the net. LOG is what `train` wrote to stderr, or a
    log of Caffe's. For example:

      caffelite train --solver=solver.prototxt 2>&1 | tee train.log
      caffelite parse_log train.log .
    """
    from caffelite.tools.parse_log import write_columns, write_csv

    log, out = map(Path, arguments.positionals)
    if problem := file_problem(log):
        raise UsageError(problem)
    written = write_columns(log, out) if arguments[GNUPLOT] else write_csv(log, out, arguments[DELIMITER])
    if arguments[VERBOSE]:
        for path in written:
            write_stdout(f"Wrote {path}")
