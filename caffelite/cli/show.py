"""`caffelite show`: pictures of a net's filters, activations, gradients and columns, and of trainings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from caffelite.cli import show_image
from caffelite.cli.command import Arguments, command
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, IMAGE, LAYER, LAYERS, NO_PYTHON_LAYERS, OUTPUT
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of, did_you_mean

if TYPE_CHECKING:
    from caffelite.pictures.figure import Picture

LOGGER = logging.getLogger("caffelite")
FILES = {
    "filters": ("NET", "WEIGHTS"),
    "activations": ("NET", "WEIGHTS"),
    "gradients": ("NET", "WEIGHTS"),
    "im2col": ("NET",),
    "training": ("LOG",),
}


@command(
    "show",
    "draw filters, activations, gradients, im2col or trainings",
    flags=(LAYER, IMAGE, OUTPUT, show_image.MEAN, show_image.SCALE, LAYERS, ALLOW_UNKNOWN_FIELDS, NO_PYTHON_LAYERS),
    positionals="KIND [FILE...]",
    first_words=lambda: FILES,
    flag_help={
        LAYER: "The layer to draw, or a blob; the first one with filters if not given.",
        OUTPUT: "The picture, .png, .svg or .pdf; named after layer and kind if not given.",
    },
)
def show(arguments: Arguments) -> None:
    """Draw a picture and write it to a file.

      show filters NET WEIGHTS       the weights of a convolution, deconvolution or inner product
      show activations NET WEIGHTS   what a layer makes of --image
      show gradients NET WEIGHTS     how the score of the best class, or the loss, depends on a layer's values
      show im2col NET [WEIGHTS]      which pixels the columns hold, the product, col2im's sums
      show training LOG...           loss, accuracy and learning rate, from what train wrote to stderr

    Without --image, NET must read its own data. For example, with `caffelite example lenet_small_digits` copied:

      caffelite show filters models/lenet_small/deploy.prototxt models/lenet_small/digits.caffemodel -o conv1.png
    """
    from caffelite.pictures import require_matplotlib

    kind, *files = arguments.positionals
    if kind not in FILES:
        raise UsageError(f'there is no picture "{kind}"{did_you_mean(kind, FILES) or f"; use {any_of(FILES)}"}')
    wanted = FILES[kind]
    if len(files) < len(wanted):
        raise UsageError(f"show {kind} is missing {wanted[len(files)]}; write caffelite show {kind} {_usage(kind)}")
    if len(files) > 2 and kind != "training":
        raise UsageError(f'show {kind} has no use for "{files[2]}"; write caffelite show {kind} {_usage(kind)}')
    require_matplotlib()
    from caffelite.pictures.figure import check_path, save

    if arguments[OUTPUT]:
        check_path(arguments[OUTPUT])
    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how the net is set up is not what was asked for
    name, picture = _training(files) if kind == "training" else _of_net(kind, files, arguments)
    path = arguments[OUTPUT] or f"{name.replace('/', '_')}.png"
    save(picture, path)
    write_stdout(path)


def _usage(kind: str) -> str:
    return {"training": "LOG...", "im2col": "NET [WEIGHTS]"}.get(kind, "NET WEIGHTS")


def _training(files: list[str]) -> tuple[str, Picture]:
    from caffelite.core.solver_log import read_logs
    from caffelite.pictures.training import show_training

    return "training", show_training(read_logs(files))


def _of_net(kind: str, files: list[str], arguments: Arguments) -> tuple[str, Picture]:
    """Make the net, run it as far as the picture needs, and draw."""
    from caffelite.pictures.blobs import show_gradients
    from caffelite.pictures.score import backward_from_score

    weights = files[1] if len(files) > 1 else ""
    net = show_image.net_of(show_image.draft_of(files[0]), files[0], weights, arguments)
    try:
        layer = arguments[LAYER] or None
        runs = kind in ("activations", "gradients") or bool(arguments[IMAGE])
        if kind in ("activations", "gradients"):
            from caffelite.pictures.find import blob_of

            layer = layer or blob_of(net, None)[2][0]
            blob_of(net, layer)  # a wrong name is refused before the net runs, and the blob is filled by it
        if runs:
            show_image.fill(net, arguments)
            net.forward_pass()
        if kind == "gradients":
            return f"{layer}_{kind}", show_gradients(net, layer, of_what=backward_from_score(net))
        picture = net.show(kind, layer)
        return f"{layer}_{kind}" if layer else kind, picture
    finally:
        net.close()
