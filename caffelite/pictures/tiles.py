"""Many small images side by side in one array, with blank lines between them."""

from __future__ import annotations

from math import ceil, sqrt
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array

ONE_ROW = 3  # so many tiles stand beside each other
PIXELS_PER_BLANK = 24  # a tile of so many pixels is worth one blank line


class Mosaic(NamedTuple):
    """Tiles of (height, width) pixels, row by row in `pixels`, (H, W) or (H, W, 3), with `blank` pixels between."""

    pixels: Array
    rows: int
    columns: int
    height: int
    width: int
    blank: int

    def tile(self, row: int, column: int) -> Array:
        """Return the tile in this row and column, a view."""
        top, left = row * (self.height + self.blank), column * (self.width + self.blank)
        return self.pixels[top : top + self.height, left : left + self.width]

    def middles(self) -> tuple[list[float], list[float]]:
        """Return where the middle of each row of tiles is, and of each column, as matplotlib counts pixels."""
        return (
            [row * (self.height + self.blank) + (self.height - 1) / 2 for row in range(self.rows)],
            [column * (self.width + self.blank) + (self.width - 1) / 2 for column in range(self.columns)],
        )


def in_a_grid(tiles: Array, columns: int | None = None) -> Mosaic:
    """Arrange tiles (N, H, W) or (N, H, W, 3) row by row, in about a square unless `columns` are given.

    What is between them is nan, of colours 1. Tiles of one pixel have nothing between them.
    """
    count, height, width, *colours = tiles.shape
    if columns is None:
        columns = count if count <= ONE_ROW else min(count, ceil(sqrt(count * height / width)))
    rows = ceil(count / columns)
    blank = 0 if height == width == 1 else ceil(max(height, width) / PIXELS_PER_BLANK)
    size = (rows * (height + blank) - blank, columns * (width + blank) - blank, *colours)
    mosaic = Mosaic(np.full(size, 1.0 if colours else np.nan), rows, columns, height, width, blank)
    for index, tile in enumerate(tiles):
        mosaic.tile(*divmod(index, columns))[...] = tile
    return mosaic
