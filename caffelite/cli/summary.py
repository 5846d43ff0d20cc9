"""`caffelite summary`: the layers of a net and what they cost, without its data."""

from __future__ import annotations

import json
import logging

from caffelite.cli.command import Arguments, command
from caffelite.cli.options import (
    ALLOW_UNKNOWN_FIELDS,
    JSON,
    LAYER,
    LAYERS,
    LEVEL,
    MODEL,
    NO_PYTHON_LAYERS,
    PHASE,
    SHAPE,
    STAGE,
    required,
    shapes,
    stages,
)
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError

LOGGER = logging.getLogger("caffelite")


@command(
    "summary",
    "show a net's layers, shapes, parameters, costs and receptive fields",
    flags=(MODEL, LAYER, JSON, SHAPE, PHASE, LEVEL, STAGE, LAYERS, ALLOW_UNKNOWN_FIELDS, NO_PYTHON_LAYERS),
    file=MODEL,
    flag_help={
        LAYER: "In place of the table, what this layer computes: its formula, shapes and products.",
        PHASE: "Phase of the net; TRAIN if not given.",
    },
)
def summary(arguments: Arguments) -> None:
    """Print a table of a net's layers: type, shapes of the tops, parameters, multiply-adds, memory of the tops, stride
    and receptive field in pixels of the input; below it the totals. Numbers are for the whole batch.

    Data need not be there: its shapes come from the file, from the data sets of `caffelite dataset`, or from --shape.
    FILE is the same as --model=FILE.

      caffelite summary models/alexnet/train_val.prototxt --phase TEST
      caffelite summary deploy.prototxt --shape data=1,3,224,224 --json
      caffelite summary models/alexnet/train_val.prototxt --layer conv1
    """  # noqa: D205 - the first paragraph is the command's help text
    model = required(arguments, MODEL, "Need a model definition to summarize")
    if arguments[LAYER] and arguments[JSON]:
        raise UsageError("what one layer computes is shown as text: leave --json or --layer away")
    from caffelite.inspection import explanation_of_file, summary_of_file
    from caffelite.proto import caffe_pb2

    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how the net is set up is not asked for
    phase = caffe_pb2.TEST if arguments[PHASE] == "TEST" else caffe_pb2.TRAIN
    state = (phase, arguments[LEVEL], stages(arguments), shapes(arguments), not arguments[NO_PYTHON_LAYERS])
    if arguments[LAYER]:
        write_stdout(str(explanation_of_file(model, arguments[LAYER], *state)))
        return
    found = summary_of_file(model, *state)
    write_stdout(json.dumps(found.as_dict(), indent=1) if arguments[JSON] else str(found))
