"""A figure that notebooks show and that is written to a file whole or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from caffelite.core.blob import Array
from caffelite.core.errors import UsageError
from caffelite.core.files import Kind, UnreachableError, kind_of
from caffelite.core.prototxt.suggest import any_of
from caffelite.core.weights.atomic import replacing

KINDS = (".png", ".svg", ".pdf")
DPI = 120
SIGNED = "RdBu_r"  # red above zero, blue below, white at it
UNSIGNED = "viridis"


class Picture(Figure):
    """A figure without a window, which Jupyter shows when a cell returns it; `savefig` writes it to a file."""

    def __init__(self, width: float, height: float) -> None:
        """`width` and `height` in inches."""
        super().__init__(figsize=(width, height), dpi=DPI, layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1))
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        """Return the picture as Jupyter asks for it."""
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def check_path(path: str | os.PathLike[str]) -> None:
    """Raise UsageError unless a picture can be written to `path`: by its ending, in a folder that is there."""
    target = Path(path)
    if target.suffix.lower() not in KINDS:
        raise UsageError(f"{target}: a picture's name ends in {any_of(KINDS)}")
    try:
        is_there = kind_of(target.parent) is Kind.FOLDER
    except UnreachableError as err:
        raise UsageError(f"{target.parent}: {err}") from None
    if not is_there:
        raise UsageError(f"{target}: there is no folder {target.parent}; make it first")


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the figure to `path`, PNG, SVG or PDF by its ending; who reads the file sees the old or the new, whole.

    Raises UsageError for another ending or folder, WeightsError if the system refuses.
    """
    check_path(path)
    with replacing(Path(path)) as file:
        figure.savefig(file, format=Path(path).suffix[1:].lower())


def draw_image(axes: Axes, values: Array, *, signed: bool | None = None, colours: str = UNSIGNED) -> ScalarMappable:
    """Draw an array (H, W) of numbers, nan left blank, or (H, W, 3) of colours from 0 to 1; no pixel is smoothed.

    `signed`: zero is white and both directions get the same scale; by default, if there are values below zero. Else
    `colours` names the scale.
    """
    if values.ndim == 3:
        return axes.imshow(values, interpolation="nearest")
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low < 0 if signed is None else signed:
        limit = max(-low, high) or 1.0
        low, high, colours = -limit, limit, SIGNED
    else:
        high = high if high > low else low + 1.0
    shown = np.ma.masked_invalid(values)
    return axes.imshow(shown, cmap=colours, vmin=low, vmax=high, interpolation="antialiased")


def add_scale(figure: Figure, axes: Axes, drawn: ScalarMappable) -> None:
    """Put the scale of colours beside `axes`, wherever these end once their pixels are square."""
    bar: Any = figure.colorbar(drawn, cax=axes.inset_axes((1.02, 0.12, 0.03, 0.76)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
