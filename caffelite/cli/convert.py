"""`caffelite convert`: a net and its weights as an ONNX file, and an ONNX file as a net and its weights."""

from __future__ import annotations

import logging
from pathlib import Path

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import boolean, string
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, LAYERS, LEVEL, OUTPUT, SHAPE, STAGE, required, shapes, stages
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError

LOGGER = logging.getLogger("caffelite")
FOLD = boolean("fold", "Let BatchNorm, Scale and Bias become part of the convolutions and inner products before them.")
DIALECT = string(
    "dialect",
    "caffelite",
    "From ONNX: bvlc writes only what BVLC Caffe 1.0 knows, and nothing whose answers could not be proved.",
    choices=("caffelite", "bvlc"),
)


@command(
    "convert",
    "write a net and its weights as an ONNX file, or make them of one",
    flags=(OUTPUT, FOLD, DIALECT, SHAPE, LEVEL, STAGE, LAYERS, ALLOW_UNKNOWN_FIELDS),
    positionals="NET [WEIGHTS]",
    flag_help={
        OUTPUT: "The file to write, NAME.onnx; from ONNX, NAME for NAME.prototxt and NAME.caffemodel.",
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

    And back: NET may be an ONNX file, of which NAME.prototxt and NAME.caffemodel are made, and compared with it on
    random input. A batch that the file leaves open becomes 1. Operators without a layer are refused by the node's name.
    Needs onnxsim, too, which the same extra brings.

      caffelite convert model.onnx -o NAME
      caffelite convert model.onnx -o NAME --dialect bvlc
    """
    if _is_onnx(arguments.positionals[0]):
        _from_onnx(arguments)
    else:
        _to_onnx(arguments)


def _is_onnx(file: str) -> bool:
    return Path(file).suffix.lower() == ".onnx"


def _to_onnx(arguments: Arguments) -> None:
    target = required(arguments, OUTPUT, "Need a file to write")
    if arguments.given(DIALECT):
        raise UsageError(f"--{DIALECT.name} is for the way from ONNX, whose file is the first word; leave it out")
    if not _is_onnx(target):
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


def _from_onnx(arguments: Arguments) -> None:
    prefix = required(arguments, OUTPUT, "Need a name for two files to write")
    source, *weights = arguments.positionals
    if weights:
        raise UsageError(f'convert has no use for "{weights[0]}": {source} holds its weights')
    for flag in (FOLD, LEVEL, STAGE, LAYERS, ALLOW_UNKNOWN_FIELDS):
        if arguments.given(flag):
            raise UsageError(f"--{flag.name} does nothing from ONNX; leave it out")
    if Path(prefix).suffix.lower() in (".onnx", ".prototxt", ".caffemodel"):
        raise UsageError(f'-o is "{prefix}"; give the name without its ending, "{Path(prefix).with_suffix("")}"')
    try:
        import onnxsim  # noqa: F401
    except ImportError as err:
        raise UsageError(f"reading ONNX needs onnx and onnxsim: pip install 'caffelite[onnx]' ({err})") from None
    from caffelite.onnx_import.of_file import from_onnx
    from caffelite.onnx_import.writing import write_both

    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))
    imported = from_onnx(source, arguments[DIALECT], shapes(arguments))
    for note in imported.notes:
        glog.say(note)
    for path in write_both(imported, prefix):
        write_stdout(str(path))
