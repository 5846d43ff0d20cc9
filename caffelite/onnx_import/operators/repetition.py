"""Tile and Expand: Tile layers."""

from __future__ import annotations

from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.register import operator
from caffelite.onnx_import.repeating import repeated, tiled


@operator("Tile")
def tile(node: Node, net: Building) -> None:
    """Say Tile: all repeated along each axis, as often as the output's shape says."""
    shape, made = net.shape(node.input(0)), net.shape(node.outputs[0])
    tiles = [new // old for new, old in zip(made, shape, strict=True)]
    net.hold(node.outputs[0], tiled(node, net, net.blob(node, node.input(0)), tiles))


@operator("Expand")
def expand(node: Node, net: Building) -> None:
    """Say Expand: axes of size 1 repeated to the output's shape."""
    shape, made = net.shape(node.input(0)), net.shape(node.outputs[0])
    net.hold(node.outputs[0], repeated(node, net, net.blob(node, node.input(0)), shape, made))
