"""`caffelite explain`: one HTML file in which every value and gradient of a net is taken apart."""

from __future__ import annotations

import logging
from pathlib import Path

from caffelite.cli import show_image
from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.flags import string
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, IMAGE, LAYERS, NO_PYTHON_LAYERS, required
from caffelite.cli.streams import write_stdout

LOGGER = logging.getLogger("caffelite")
HTML = string("html", "", "The HTML file to write.", metavar="FILE")


@command(
    "explain",
    "write an HTML page that takes every value and gradient of a net apart",
    flags=(IMAGE, HTML, show_image.MEAN, show_image.SCALE, LAYERS, ALLOW_UNKNOWN_FIELDS, NO_PYTHON_LAYERS),
    positionals="NET WEIGHTS",
)
def explain(arguments: Arguments) -> None:
    """Run a net in phase TEST forward and backward, and write a page to look at every number of it.

    The page is one file that needs no network. It shows the layers with pictures of their blobs; a click on a value
    shows its window, the column of im2col, the weights and the products, a click on a gradient every path that adds to
    it. Of large nets it holds a sample of the weights and positions, and says so.

    Without --image, NET must read its own data. Gradients are of the loss, or of the best score if there is none. For
    example, with `caffelite example lenet_small_digits` copied and a picture of a digit, white on black:

      caffelite explain models/lenet_small/deploy.prototxt models/lenet_small/digits.caffemodel --image digit.png \
--scale 0.00390625 --html lenet.html
    """
    path = Path(required(arguments, HTML, "Need a file to write"))
    from caffelite.reports.page import check_path

    check_path(path, HTML.name)
    from caffelite.core.weights.atomic import replacing
    from caffelite.explaining.content import content_of
    from caffelite.explaining.page import html_of
    from caffelite.explaining.passes import pin, run_backward
    from caffelite.explaining.versions import without_in_place

    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how the net is set up is not what was asked for
    model, weights = arguments.positionals
    draft, origins = without_in_place(show_image.draft_of(model))
    net = show_image.net_of(draft, model, weights, arguments)
    try:
        show_image.fill(net, arguments)
        pin(net)
        net.forward_pass()
        differentiated = run_backward(net, origins)
        with counting("steps") as progress:
            content = content_of(net, origins, differentiated, progress=progress)
    finally:
        net.close()
    source = f"{model} in phase TEST with {weights}" + (f" on {arguments[IMAGE]}" if arguments[IMAGE] else "")
    with replacing(path) as file:
        file.write(html_of(content, net.name or Path(model).stem, source).encode("utf-8"))
    write_stdout(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
