"""Axes of a node: from an attribute in old files, from an input in later ones; never negative here."""

from __future__ import annotations

from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node


def axes_of(node: Node, net: Building, index: int, rank: int) -> list[int]:
    """Return the axes that attribute `axes` or input `index` lists, in rising order; all axes where neither does."""
    if node.input(index):
        listed = [int(axis) for axis in net.needed(node, index, "the axes").reshape(-1)]
    else:
        listed = list(node.get("axes") or [])
    node.get("axes")
    return sorted(axis % rank for axis in listed) or list(range(rank))


def axis_of(node: Node, rank: int, default: int = 0) -> int:
    """Return attribute `axis`."""
    return int(node.get("axis", default)) % rank
