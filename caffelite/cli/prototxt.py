"""`caffelite prototxt`: the net whose weights a caffemodel holds, as text."""

from __future__ import annotations

from pathlib import Path

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import boolean
from caffelite.cli.options import OUTPUT
from caffelite.cli.streams import write_text
from caffelite.core.errors import UsageError
from caffelite.core.files import file_problem

UPGRADE = boolean("upgrade", "Write nets of 2013 and 2014 in today's form.")


@command(
    "prototxt",
    "recover a net's prototxt from the caffemodel of its weights",
    flags=(OUTPUT, UPGRADE),
    positionals="WEIGHTS",
    flag_help={OUTPUT: "The file to write; without it the net is printed."},
)
def prototxt(arguments: Arguments) -> None:
    """Write the net that the caffemodel WEIGHTS was saved from, without its weights. Caffe stores all fields of the
    layers beside them; a file that holds nothing but names and weights is refused.

      caffelite prototxt bvlc_googlenet.caffemodel --upgrade -o train_val.prototxt
    """  # noqa: D205 - the first paragraph is the command's help text
    from caffelite.writing.of_weights import text_of_weights

    (name,) = arguments.positionals
    if problem := file_problem(name):
        raise UsageError(problem)
    written = text_of_weights(Path(name), arguments[UPGRADE])
    for note in written.notes:
        glog.say(note)
    write_text(written.text, arguments[OUTPUT])
