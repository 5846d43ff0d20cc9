"""Blobs that are repeated along axes, as numpy does with the smaller of two: a Tile layer for each axis."""

from __future__ import annotations

from collections.abc import Sequence

from caffelite.core.blob import Shape
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.operators.shaping import reshaped


def aligned(sizes: Shape, rank: int) -> Shape:
    """Return a shape with axes of 1 in front, `rank` of them in all."""
    return (1,) * (rank - len(sizes)) + tuple(sizes)


def repeated(node: Node, net: Building, blob: str, sizes: Shape, shape: Shape, word: str = "tile") -> str:
    """Return a blob of the sizes `sizes` repeated to `shape`, along axes of size 1."""
    size = aligned(sizes, len(shape))
    blob = reshaped(node, net, blob, sizes, size, f"{word}_axes")
    return tiled(node, net, blob, [count if of == 1 else 1 for of, count in zip(size, shape, strict=True)], word)


def tiled(node: Node, net: Building, blob: str, tiles: Sequence[int], word: str = "tile") -> str:
    """Return a blob repeated as a whole along each axis, so many times."""
    for axis, count in enumerate(tiles):
        if count != 1:
            blob = net.step(node, f"{word}_{axis}", "Tile", [blob], tile_param={"axis": axis, "tiles": count})
    return blob
