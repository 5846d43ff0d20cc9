"""Make BatchNorm, Scale and Bias part of the products before them."""

from __future__ import annotations

from caffelite.onnx_export.graph import Graph


def fold(graph: Graph) -> None:
    """Fold."""
