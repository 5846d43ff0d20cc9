"""`caffelite deploy`: a deploy.prototxt made from a train_val.prototxt."""

from __future__ import annotations

import logging
from pathlib import Path

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import int32
from caffelite.cli.options import (
    ALLOW_UNKNOWN_FIELDS,
    LAYERS,
    LEVEL,
    NO_PYTHON_LAYERS,
    OUTPUT,
    SHAPE,
    STAGE,
    at_least,
    shapes,
    stages,
)
from caffelite.cli.streams import write_text

LOGGER = logging.getLogger("caffelite")
BATCH_SIZE = int32("batch_size", 1, "How many images the net reads at once.")


@command(
    "deploy",
    "make a net for use of a net for training",
    flags=(OUTPUT, BATCH_SIZE, SHAPE, LEVEL, STAGE, LAYERS, ALLOW_UNKNOWN_FIELDS, NO_PYTHON_LAYERS),
    positionals="FILE",
    flag_help={OUTPUT: "The file to write; without it the net is printed."},
)
def deploy(arguments: Arguments) -> None:
    """Write the net in FILE, a train_val.prototxt, for use: with the weights that the one learned, the other gives the
    same scores.

    Data layers become Input layers, SoftmaxWithLoss becomes Softmax, other losses, labels and accuracies go, and so do
    fillers and learning rates. Data need not be there.

      caffelite deploy models/lenet/train_val_mnist.prototxt -o deploy.prototxt
    """  # noqa: D205 - the first paragraph is the command's help text
    from caffelite.writing.file import deploy_file

    batch_size = at_least(arguments, BATCH_SIZE, 1)
    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how the net is set up is not asked for
    (name,) = arguments.positionals
    written = deploy_file(
        Path(name),
        batch_size,
        shapes(arguments),
        arguments[LEVEL],
        stages(arguments),
        not arguments[NO_PYTHON_LAYERS],
    )
    for note in written.notes:
        glog.say(note)
    write_text(written.text, arguments[OUTPUT])
