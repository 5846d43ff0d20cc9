"""Pictures of a net and of its training as HTML: curves, first filters, the graph of its layers."""

from __future__ import annotations

import io
import re

import matplotlib
import numpy as np

from caffelite.core.blob import Array
from caffelite.core.net.net import Net
from caffelite.core.solver_log import TrainingLog
from caffelite.drawing.dot import dot_text
from caffelite.drawing.net import drawing_of_net
from caffelite.drawing.render import render
from caffelite.pictures.arrange import few_enough
from caffelite.pictures.figure import SIGNED
from caffelite.pictures.filters import Filters, as_filters
from caffelite.pictures.find import has_filters
from caffelite.pictures.tiles import in_a_grid
from caffelite.pictures.training import show_training
from caffelite.reports.items import Pixels
from caffelite.reports.page import Html, fill
from caffelite.reports.png import png_address

_BEFORE_SVG = re.compile(r"\A.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_PAPER = '<polygon fill="white" stroke="none"'  # Graphviz's background
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def curves(log: TrainingLog) -> Html:
    """Return loss, accuracy and learning rate as SVG; UsageError if there is nothing to draw."""
    figure = show_training({"training": log})
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "caffelite"}):  # letters as text are small
        figure.savefig(file, format="svg", transparent=True, metadata=_NO_METADATA)
    return _drawn(file.getvalue(), "curves")


def graph(net: Net) -> Html:
    """Return the net's layers and the shapes of its blobs as SVG; UsageError if there is no Graphviz."""
    svg = render(dot_text(drawing_of_net(net)), "svg").decode()
    return _drawn(svg.replace(_PAPER, _PAPER.replace("white", "none"), 1), "drawing")


def _drawn(svg: str, kind: str) -> Html:
    svg = _METADATA.sub("", _BEFORE_SVG.sub("", svg, count=1))
    return Html(f'<div class="drawn {kind}">{svg}</div>')


def first_filters(net: Net) -> tuple[str, Html] | None:
    """Return the name of the first layer that has filters, and a picture of them; None for a net without any."""
    for index, layer in enumerate(net.core_layers):
        if has_filters(layer):
            values = layer.blobs[0].data
            weights = as_filters(layer, net.bottoms(index)[0][1].shape, values)
            filters = Filters(weights, layer.type)
            picture = Html(f'<img alt="weights" src="{png_address(_pixels(filters, weights))}">')
            note = f"{filters.words}, weights {values.min():.3g} to {values.max():.3g}{filters.note}"
            return layer.name, fill("filters.html", picture=picture, note=note)
    return None


def _pixels(filters: Filters, weights: Array) -> Pixels:
    """Return the tiles as colours with alpha, nothing between them; of numbers zero is white, red what is above it."""
    mosaic = filters.mosaic
    if filters.coloured:
        shown = few_enough(len(weights), mosaic.height, mosaic.width)
        alpha = in_a_grid(np.ones((shown, mosaic.height, mosaic.width)), mosaic.columns).pixels
        colours = np.dstack([mosaic.pixels, np.nan_to_num(alpha)])
    else:
        limit = float(np.nanmax(np.abs(mosaic.pixels))) or 1.0
        colours = matplotlib.colormaps[SIGNED](np.nan_to_num(mosaic.pixels) / (2 * limit) + 0.5)
        colours[..., 3] = np.isfinite(mosaic.pixels)
    pixels: Pixels = (255 * colours).round().astype(np.uint8)
    return pixels
