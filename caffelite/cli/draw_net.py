"""`caffelite draw_net`: a picture of a net. Source: python/draw_net.py, which draws layers and blobs without shapes."""

from __future__ import annotations

import logging
from pathlib import Path

from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import boolean, string
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, LAYERS, LEVEL, PHASE, SHAPE, STAGE, shapes, stages
from caffelite.cli.streams import write_stdout

LOGGER = logging.getLogger("caffelite")
RANKDIR = string(
    "rankdir", "TB", "Where the net leads: to the bottom, right, top or left.", choices=("TB", "LR", "BT", "RL")
)
DISPLAY_LRM = boolean("display_lrm", "Show the learning rate multipliers of weights and bias.")


@command(
    "draw_net",
    "draw a net, with the shapes of its blobs",
    flags=(RANKDIR, PHASE, DISPLAY_LRM, SHAPE, LEVEL, STAGE, LAYERS, ALLOW_UNKNOWN_FIELDS),
    positionals="FILE PICTURE",
    flag_help={PHASE: "Phase to draw; if not given both, with what is in one of them only marked."},
)
def draw_net(arguments: Arguments) -> None:
    """Draw the net in FILE, a prototxt, to PICTURE, whose name ends in .svg, .png, .pdf or .dot.

    Layers that work in place are stacked on the layer before; blocks that the net repeats stand in boxes; the shapes of
    blobs stand at the arrows. Data need not be there. Graphviz draws: pip install 'caffelite[draw]'.

      caffelite draw_net models/googlenet/train_val.prototxt googlenet.svg --phase TRAIN
      caffelite draw_net deploy.prototxt net.png --rankdir LR --shape data=1,3,224,224
    """
    from caffelite.core.net.wiring.draft import Draft
    from caffelite.core.prototxt.upgrade import load_net
    from caffelite.core.weights.atomic import replacing
    from caffelite.drawing.dot import dot_text
    from caffelite.drawing.net import drawing_of
    from caffelite.drawing.render import render
    from caffelite.proto.caffe_pb2 import TEST, TRAIN

    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how the net is set up is not asked for
    source, target = map(Path, arguments.positionals)
    phases = {"TRAIN": (TRAIN,), "TEST": (TEST,)}.get(arguments[PHASE], (TRAIN, TEST))
    param, lines, _ = load_net(source, ())
    drawing = drawing_of(
        Draft.of(param, lines), source.parent, phases, stages(arguments), arguments[LEVEL], shapes(arguments)
    )
    picture = render(dot_text(drawing, arguments[RANKDIR], arguments[DISPLAY_LRM]), target.suffix.removeprefix("."))
    with replacing(target) as file:
        file.write(picture)
    write_stdout(str(target))
