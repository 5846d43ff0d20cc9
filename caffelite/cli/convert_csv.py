"""`caffelite convert_csv`: a table in a text file as HDF5 files."""

from __future__ import annotations

from pathlib import Path

from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import string
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError

LABEL = string(
    "label", "", "Column of the labels, by its name or number from 1; without it the last.", metavar="COLUMN"
)
TEST = string("test", "0", "Share of the rows of each label that goes to a second file, for testing.", metavar="SHARE")


@command(
    "convert_csv",
    "make HDF5 files for HDF5Data of a table (CSV)",
    flags=[LABEL, TEST],
    positionals="CSV OUT",
)
def convert_csv(arguments: Arguments) -> None:
    """Write the table CSV to OUT.h5 and its list to OUT.txt, or with --test to OUT_train and OUT_test.

    A net reads it with `type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "OUT.txt" }`: data are all
    columns but that of the labels. Labels that are no numbers are numbered in the order of the alphabet. The first line
    may hold names. For example:

      caffelite convert_csv iris.csv data/iris --label=species --test=0.2
    """
    from caffelite.tools.convert_csv import convert_csv

    try:
        share = float(arguments[TEST])
    except ValueError:
        raise UsageError(f"--test is {arguments[TEST]}; give a share such as 0.2") from None
    path, stem = map(Path, arguments.positionals)
    for made in convert_csv(path, stem, arguments[LABEL], share):
        write_stdout(str(made))
