"""How an array becomes something to draw: tiles, colours, bars, with what was left out said in words."""

from __future__ import annotations

from math import ceil

import numpy as np
from matplotlib.axes import Axes

from caffelite.core.blob import Array
from caffelite.pictures.figure import UNSIGNED, Picture, add_scale, draw_image
from caffelite.pictures.tiles import Mosaic

MOST_TILES = 144
MOST_PIXELS = 4_000_000  # of all tiles together
MOST_ROWS, MOST_COLUMNS = 64, 48  # of filters, and of channels of each


def few_enough(count: int, height: int, width: int) -> int:
    """Return how many of `count` tiles are drawn."""
    return max(1, min(count, MOST_TILES, MOST_PIXELS // max(1, height * width)))


def sampled(shown: int, count: int, things: str) -> str:
    """Return `20 kernels`, or `the first 20 of 512 kernels` if not all are drawn."""
    return f"{count} {things}" if shown == count else f"the first {shown} of {count} {things}"


def as_colours(image: Array, low: float, high: float) -> Array:
    """Return (3, H, W), blue first as Caffe's images are, as (H, W, 3), red first, with low..high made 0..1."""
    span = high - low or 1.0
    colours: Array = np.clip((image[::-1].transpose(1, 2, 0) - low) / span, 0, 1)
    return colours


def size_for(mosaic: Mosaic, longest: float = 6.5) -> tuple[float, float]:
    """Return width and height in inches for a figure of this mosaic and its title."""
    height, width = mosaic.pixels.shape[:2]
    scale = (longest if mosaic.rows * mosaic.columns > 1 else longest * 0.6) / max(height, width)
    return max(4.5, width * scale + 1.0), max(1.2, height * scale) + 0.8


def room_for(text: str) -> float:
    """Return the inches that a title takes."""
    return 0.4 + 0.092 * len(text)


def draw_mosaic(
    figure: Picture,
    axes: Axes,
    mosaic: Mosaic,
    *,
    signed: bool | None = None,
    colours: str = UNSIGNED,
    axis_names: tuple[str, str] = ("", ""),
) -> None:
    """Draw the mosaic with its scale, and along the left and below the numbers of the tiles.

    With `axis_names`, (down, across), rows and columns are counted each for itself; else tiles one after the other.
    """
    drawn = draw_image(axes, mosaic.pixels, signed=signed, colours=colours)
    axes.set_anchor("W")  # titles begin where the axes do
    down, across = mosaic.middles()
    every_row, every_column = ceil(mosaic.rows / 16), ceil(mosaic.columns / 16)
    first_of_row = 1 if any(axis_names) else mosaic.columns
    axes.set_yticks(down[::every_row], [str(row * first_of_row) for row in range(0, mosaic.rows, every_row)])
    if any(axis_names):
        axes.set_xticks(across[::every_column], [str(column) for column in range(0, mosaic.columns, every_column)])
        axes.set_ylabel(axis_names[0], fontsize=9)
        axes.set_xlabel(axis_names[1], fontsize=9)
    else:
        axes.set_xticks(across[::every_column], [f"+{column}" for column in range(0, mosaic.columns, every_column)])
    if mosaic.rows == mosaic.columns == 1:
        axes.set_xticks([])
        axes.set_yticks([])
    plain(axes)
    if mosaic.pixels.ndim == 2:
        add_scale(figure, axes, drawn)


def draw_vector(axes: Axes, values: Array, name: str) -> None:
    """Draw values (N) as bars over their numbers, which `name` says what they count."""
    # of a copy: the picture is drawn when it is saved, and the next pass may have overwritten the blob by then
    axes.stairs(np.array(values), np.arange(len(values) + 1) - 0.5, fill=True, color="tab:blue", baseline=0)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xlabel(name, fontsize=9)
    axes.set_xlim(-0.5, len(values) - 0.5)
    if len(values) <= 20:
        axes.set_xticks(range(len(values)))
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def plain(axes: Axes) -> None:
    """Leave out the frame and the marks, but for small numbers."""
    axes.tick_params(length=0, labelsize=7, colors="dimgray")
    for spine in axes.spines.values():
        spine.set_visible(False)


def title(axes: Axes, text: str, note: str = "") -> None:
    """Write a bold line and a small one above `axes`, both from its left end."""
    axes.set_title(text, loc="left", fontsize=11, fontweight="bold", pad=20 if note else 6)
    if note:
        axes.annotate(
            note, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=8, color="dimgray"
        )
