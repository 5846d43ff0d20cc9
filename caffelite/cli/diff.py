"""`caffelite diff`: how two nets differ, in their files, their weights, and what they compute."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from caffelite.cli import show_image
from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import string
from caffelite.cli.options import (
    ALLOW_UNKNOWN_FIELDS,
    IMAGE,
    LAYERS,
    LEVEL,
    NO_PYTHON_LAYERS,
    SHAPE,
    STAGE,
    WEIGHTS,
    shapes,
    stages,
)
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import CaffeliteError, UsageError

if TYPE_CHECKING:
    from caffelite.comparing.arrays import Difference
    from caffelite.pycaffe import Net

LOGGER = logging.getLogger("caffelite")
TOLERANCE = string("tolerance", "0", "How far values may be apart and be equal, as a share of them.", metavar="NUMBER")
CAFFEMODELS = (".caffemodel", ".h5")
SAME, DIFFERENT, TROUBLE = 0, 1, 2  # exit statuses, as diff's


@command(
    "diff",
    "compare two nets: fields, weights, and activations",
    flags=(
        WEIGHTS,
        IMAGE,
        show_image.MEAN,
        show_image.SCALE,
        TOLERANCE,
        SHAPE,
        LEVEL,
        STAGE,
        LAYERS,
        ALLOW_UNKNOWN_FIELDS,
        NO_PYTHON_LAYERS,
    ),
    positionals="A B [WEIGHTS_B]",
    flag_help={
        WEIGHTS: "The weights of A and of B, two caffemodels: --weights a.caffemodel b.caffemodel, or with a comma.",
        IMAGE: "An image that both nets are run on; then their blobs are compared, down to the first that differs.",
    },
)
def diff(arguments: Arguments) -> int:
    """Compare the nets A and B, two prototxt files: print each field that differs, with its lines; with --weights how
    their weights differ, largest and relative to their size; with --image the first blob that does.

    Old nets are compared in today's form, and a field that is not given has its default. Nets that are run without
    --weights begin with the same random numbers. A and B may be caffemodels themselves.
    Exit status: 0 if all is the same, 1 if something differs, 2 for trouble.

      caffelite diff train_val.prototxt deploy.prototxt
      caffelite diff a.prototxt b.prototxt --weights a.caffemodel b.caffemodel --image cat.jpg
    """  # noqa: D205 - the first paragraph is the command's help text
    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how nets are set up is not asked for
    try:
        same = [_print(title, lines) for title, lines in _parts(arguments)]
    except CaffeliteError as err:
        LOGGER.critical("%s", err)
        return TROUBLE
    return SAME if all(same) else DIFFERENT


Lines = Iterator[tuple[str, bool]]  # a line, and whether what it tells is the same in both


def _print(title: str, lines: Lines) -> bool:
    """Write what differs, or that nothing does; return whether all is the same."""
    same = True
    for line, alike in lines:
        if same and not alike:
            write_stdout(f"{title}:")
        same = same and alike
        if not alike:
            write_stdout(f"  {line}")
    if same:
        write_stdout(f"{title}: the same")
    return same


def _parts(arguments: Arguments) -> Iterator[tuple[str, Lines]]:
    """Yield the parts of the comparison that are asked for."""
    first, second, *rest = map(Path, arguments.positionals)
    weights = [Path(name.strip()) for name in arguments[WEIGHTS].split(",") if name.strip()] + rest
    tolerance = _tolerance(arguments)
    if not weights and all(path.name.endswith(CAFFEMODELS) for path in (first, second)):
        yield "weights", _weights(first, second, tolerance)
        return
    if len(weights) not in (0, 2):
        raise UsageError(f"--weights names {len(weights)} files; name two: --weights a.caffemodel b.caffemodel")
    yield "nets", _fields(first, second)
    if weights:
        yield "weights", _weights(weights[0], weights[1], tolerance)
    if arguments[IMAGE]:
        nets = [
            _run(path, arguments, file) for path, file in zip((first, second), weights or (None, None), strict=True)
        ]
        yield "activations", _activations(nets[0], nets[1], tolerance)


def _tolerance(arguments: Arguments) -> float:
    try:
        value = float(arguments[TOLERANCE])
    except ValueError:
        value = -1
    if not value >= 0:
        raise UsageError(f'--tolerance is "{arguments[TOLERANCE]}"; write a share, such as 1e-5')
    return value


def _fields(first: Path, second: Path) -> Lines:
    from caffelite.comparing.fields import NetFile, field_differences
    from caffelite.core.layer import layer_type_list
    from caffelite.core.prototxt.upgrade import load_net

    files = [NetFile(*load_net(path, layer_type_list())[:2]) for path in (first, second)]
    for line in field_differences(files[0], files[1]):
        yield line, False


def _weights(first: Path, second: Path, tolerance: float) -> Lines:
    from caffelite.comparing.weights import weight_differences

    for row in weight_differences(first, second, tolerance):
        result = row.result or _words(row.figures)
        yield f"{row.layer} {row.blob} ({row.shape}): {result}", row.same


def _words(figures: Difference | None) -> str:
    assert figures is not None
    verb = "value differs" if figures.differing == 1 else "values differ"
    return (
        f"{figures.differing} {verb}, by at most {figures.largest:.3g}, all together by {figures.relative:.3g} "
        f"of their size; std {figures.stds[0]:.3g} | {figures.stds[1]:.3g}"
    )


def _run(path: Path, arguments: Arguments, weights: Path | None) -> Net:
    """Return a net that has run forward on the image."""
    from caffelite.comparing.nets import net_to_run

    net = net_to_run(
        path, weights, arguments[LEVEL], stages(arguments), shapes(arguments), not arguments[NO_PYTHON_LAYERS]
    )
    show_image.fill(net, arguments)
    net.forward()
    return net


def _activations(first: Net, second: Net, tolerance: float) -> Lines:
    from caffelite.comparing.activations import activation_differences

    before = 0
    for row in activation_differences(first, second, tolerance):
        words = "the shapes differ" if row.figures is None else _words(row.figures)
        yield (
            f'"{row.blob}" ({row.shape}) is the first blob that differs, {before} before it are equal: {words}',
            row.same,
        )
        before += 1
