"""`caffelite convert`: a net and its weights as an ONNX file."""

from __future__ import annotations

import logging
from pathlib import Path

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import boolean
from caffelite.cli.options import LEVEL, OUTPUT, SHAPE, STAGE, required, shapes, stages
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError

LOGGER = logging.getLogger("caffelite")
FOLD = boolean("fold", "Let BatchNorm, Scale and Bias become part of the convolutions and inner products before them.")


@command(
    "convert",
    "write a net and its weights as an ONNX file",
    flags=(OUTPUT, FOLD, SHAPE, LEVEL, STAGE),
    positionals="NET [WEIGHTS]",
    flag_help={
        OUTPUT: "The file to write; its name ends in .onnx.",
        SHAPE: "Sizes of inputs, where not those of the file: data=1,3,224,224; several with spaces between.",
    },
)
def convert(arguments: Arguments) -> None:
    """Write NET, a deploy.prototxt, with WEIGHTS, its caffemodel, as an ONNX file for other programs.

    Blobs keep their names. Batch, height and width are left open where the net allows other ones; the command prints
    the inputs and outputs of the model. Layers for training, Python layers and those that ONNX cannot say are refused
    by name. It needs the package onnx: pip install 'caffelite[onnx]'.

      caffelite convert models/lenet_small/deploy.prototxt models/lenet_small/digits.caffemodel -o lenet.onnx
      caffelite convert deploy.prototxt net.caffemodel -o net.onnx --fold --shape data=1,3,512,512
    """
    target = required(arguments, OUTPUT, "Need a file to write")
    if Path(target).suffix != ".onnx":
        raise UsageError(f'-o is "{target}"; give a name that ends in .onnx')
    from caffelite.onnx_export.file import export_file

    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how the net is set up is not asked for
    net, *weights = arguments.positionals
    told = export_file(
        net,
        weights[0] if weights else None,
        target,
        arguments[FOLD],
        shapes(arguments),
        arguments[LEVEL],
        stages(arguments),
    )
    for line in told:
        write_stdout(line)
    glog.say(f"wrote {target}")
