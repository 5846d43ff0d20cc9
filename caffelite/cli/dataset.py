"""`caffelite dataset`: public data sets as databases."""

from __future__ import annotations

from collections.abc import Iterable

from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import boolean, string
from caffelite.cli.options import OUT
from caffelite.cli.streams import write_stdout

FOLDER = "data"
SOURCE = string("source", "", "Folder with the original files; without it they are downloaded.", metavar="FOLDER")
URL = string("url", "", "Folder on a server to download the original files from.", metavar="ADDRESS")
ORIGINALS = boolean("originals", "Put the original files, unpacked, into --out, and make no databases.")


def _names() -> Iterable[str]:
    from caffelite.datasets import DATASETS

    return DATASETS


@command(
    "dataset",
    "make databases of public data sets",
    flags=[SOURCE, OUT, URL, ORIGINALS],
    positionals="[NAME]",
    first_words=_names,
    flag_help={OUT: f"Folder for what is made. Default: {FOLDER}."},
)
def dataset(arguments: Arguments) -> None:
    """Make the LMDB databases of a data set (and CIFAR-10's mean) in --out; without NAME, list what there is.

    Databases that are already there are left alone. For example:

      caffelite dataset mnist --out=data
    """
    from caffelite.datasets import DATASETS, fetch, make

    if not arguments.positionals:
        for name in DATASETS:
            write_stdout(f"{name:20} {DATASETS[name].summary}")
        return
    (name,) = arguments.positionals
    get = fetch if arguments[ORIGINALS] else make
    for path in get(name, arguments[OUT] or FOLDER, arguments[SOURCE] or None, arguments[URL] or None):
        write_stdout(str(path))
