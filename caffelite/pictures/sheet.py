"""A contact sheet: many small images with words below each."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import UsageError
from caffelite.core.format import shape_string
from caffelite.pictures.arrange import title as write_title
from caffelite.pictures.figure import Picture

MOST_PIXELS = 160  # of a side of an image; of a larger one areas are averaged
MOST_PLANES = 8  # that are shown beside each other, of an image that is neither grey nor coloured
WIDTH = 8.0  # inches of the picture
SMALLEST, LARGEST = 0.55, 1.6  # inches of a column
CAPTION = 0.2  # inches below an image
MARGIN = 0.06  # of a column, between images
POINTS_PER_LETTER = 4.6  # of the captions' font


def show_sheet(
    images: Sequence[Array], captions: Sequence[str], title: str, note: str = "", rgb: bool = False
) -> Picture:
    """Return a picture of images, (C, H, W) each, of any sizes, in rows, with a caption below each.

    uint8 is shown as it is; other numbers from the least to the largest of all images that are not uint8. Of 3 channels
    the first is blue, or red with `rgb`; 1 is grey, other numbers of channels are shown beside each other. Raises
    UsageError for what is no image.
    """
    low, high = _limits(images)
    tiles = [_tile(image, low, high, rgb) for image in images]
    height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    column = min(LARGEST, max(SMALLEST, WIDTH / ceil(sqrt(len(tiles) * 1.4 * height / width))))
    column = max(column, min(LARGEST, 2 * MARGIN + max(map(len, captions)) * POINTS_PER_LETTER / 72))
    columns = min(len(tiles), max(1, int(WIDTH / column)))
    rows = ceil(len(tiles) / columns)
    row = (column * (1 - MARGIN)) * height / width + CAPTION
    figure = Picture(max(4.5, columns * column + 0.3), rows * row + 0.75)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(0, columns * column)
    axes.set_ylim(rows * row, 0)
    axes.set_aspect("equal", anchor="NW")
    scale = column * (1 - MARGIN) / width  # inches a pixel
    for index, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        top, left = index // columns * row, index % columns * column
        tall, wide = tile.shape[0] * scale, tile.shape[1] * scale
        middle = left + column * (1 - MARGIN) / 2
        extent = (middle - wide / 2, middle + wide / 2, top + tall, top)
        axes.imshow(tile, extent=extent, interpolation="antialiased", aspect="equal")
        most = max(3, int(column * 72 / POINTS_PER_LETTER))
        shown = caption if len(caption) <= most else caption[: most - 1] + "…"
        axes.text(middle, top + tall + 0.03, shown, ha="center", va="top", fontsize=7, color="dimgray")
    axes.set_xlim(0, columns * column)  # imshow moves them
    axes.set_ylim(rows * row, 0)
    write_title(axes, title, note)
    return figure


def _limits(images: Sequence[Array]) -> tuple[float, float]:
    """Return the least and the largest finite value of images that are not uint8."""
    values = [image[np.isfinite(image)] for image in images if image.dtype != np.uint8]
    values = [part for part in values if part.size]
    if not values:
        return 0.0, 255.0
    return float(min(part.min() for part in values)), float(max(part.max() for part in values))


def _tile(image: Array, low: float, high: float, rgb: bool) -> Array:
    """Return an image as (H, W, 3), red first, from 0 to 1."""
    if image.ndim != 3 or not image.size:
        raise UsageError(f"values of shape {shape_string(image.shape)} are no image: (channels, height, width) is one")
    values: Array = image.astype(np.float32)
    values = values / 255 if image.dtype == np.uint8 else (values - low) / (high - low or 1)
    values = np.clip(np.nan_to_num(values), 0, 1)
    if len(values) == 3:
        planes = values if rgb else values[::-1]
        return _smaller(planes.transpose(1, 2, 0))
    planes = values[:MOST_PLANES]
    gap = np.ones((image.shape[1], max(1, image.shape[2] // 16)), np.float32)
    beside = [part for plane in planes for part in (plane, gap)][:-1]
    return _smaller(np.repeat(np.concatenate(beside, axis=1)[..., np.newaxis], 3, axis=2))


def _smaller(tile: Array) -> Array:
    """Return (H, W, 3) with at most MOST_PIXELS a side: averages of squares, what is over at the edges left out."""
    step = ceil(max(tile.shape[:2]) / MOST_PIXELS)
    if step == 1:
        return tile
    height, width = (max(1, size // step) for size in tile.shape[:2])
    rows, columns = min(step, tile.shape[0]), min(step, tile.shape[1])
    cut = tile[: height * rows, : width * columns]
    smaller: Array = cut.reshape(height, rows, width, columns, 3).mean(axis=(1, 3))
    return smaller
