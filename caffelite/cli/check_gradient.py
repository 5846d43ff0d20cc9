"""`caffelite check_gradient`: whether the layers of a net, also the user's own, compute right gradients."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import int32
from caffelite.cli.options import (
    ALLOW_UNKNOWN_FIELDS,
    LAYER,
    LAYERS,
    LEVEL,
    PHASE,
    SHAPE,
    STAGE,
    at_least,
    shapes,
    stages,
)
from caffelite.cli.streams import write_stdout

if TYPE_CHECKING:
    from caffelite.testing.net_gradients import BlobCheck

LOGGER = logging.getLogger("caffelite")
SAMPLES = int32("samples", 20, "How many numbers of each blob are moved.")
FAILED = 1


@command(
    "check_gradient",
    "compare the gradients of a net's layers with finite differences",
    flags=(LAYER, SAMPLES, SHAPE, PHASE, LEVEL, STAGE, LAYERS, ALLOW_UNKNOWN_FIELDS),
    positionals="FILE",
    flag_help={LAYER: "Check this layer only.", PHASE: "Phase of the net; TRAIN if not given."},
)
def check_gradient(arguments: Arguments) -> int:
    """Run the net in FILE once, in float64, and compare for each layer what its backward computes with the slopes of
    its forward, in some numbers of each bottom and parameter. Also for layers written in Python.

    Where the function has a kink (max pooling of equal numbers, ReLU at 0) any slope between its sides' is right.
    Data need not be there: random numbers take its place. Bottoms without a gradient (labels) are left out, and
    parameters whose lr_mult is 0.
    Exit status: 0, or 1 if a gradient is wrong or a layer fails.

      caffelite check_gradient net.prototxt --layer mine
      caffelite check_gradient models/lenet/train_val_mnist.prototxt
    """  # noqa: D205 - the first paragraph is the command's help text
    samples = at_least(arguments, SAMPLES, 1)
    from caffelite.core.layer import Context, layer_type_list
    from caffelite.core.net.wiring.draft import Draft
    from caffelite.core.net.wiring.state import with_caller_state
    from caffelite.core.prototxt.upgrade import load_net
    from caffelite.proto.caffe_pb2 import TEST, TRAIN
    from caffelite.testing.net_gradients import check_net_gradients

    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how the net is set up is not asked for
    path = Path(arguments.positionals[0])
    param, lines, _ = load_net(path, layer_type_list())
    draft = Draft.of(param, lines)
    phase = TEST if arguments[PHASE] == "TEST" else TRAIN
    draft = draft.with_param(with_caller_state(draft.param, phase, arguments[LEVEL], stages(arguments)))
    table = _Table([layer.name for layer in draft.layers], [layer.type for layer in draft.layers])
    right = check_net_gradients(
        draft, table.add, Context(folder=path.parent), arguments[LAYER], samples, shapes(arguments)
    )
    write_stdout("All gradients are right." if right else "Some gradients are wrong.")
    return 0 if right else FAILED


class _Table:
    """Writes a line for each result at once, since large nets take their time."""

    def __init__(self, names: list[str], types: list[str]) -> None:
        self._widths = max([5, *map(len, names)]), max([4, *map(len, types)])
        self._begun = False

    def add(self, found: BlobCheck) -> None:
        """Write one result; what is wrong below it."""
        if not self._begun:
            self._begun = True
            self._write("layer", "type", "blob", "checked", "kinks", "worst error", "verdict")
        worst = "" if found.worst != found.worst else f"{found.worst:.1e}"
        self._write(found.layer, found.type, found.blob, found.checked, found.kinks or "", worst, found.verdict)
        if found.detail:
            write_stdout(f"    {found.detail}")

    def _write(self, *cells: object) -> None:
        layer, type_, blob, checked, kinks, worst, verdict = cells
        first, second = self._widths
        write_stdout(f"{layer:{first}}  {type_:{second}}  {blob:10} {checked:>7}  {kinks:>5}  {worst:>11}  {verdict}")
