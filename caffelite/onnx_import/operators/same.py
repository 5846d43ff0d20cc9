"""What changes no value: nothing is computed."""

from __future__ import annotations

from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.register import operator


@operator("Identity")
def identity(node: Node, net: Building) -> None:
    """Say Identity: the input."""
    net.same(node.outputs[0], node.input(0), node)


@operator("Dropout")
def dropout(node: Node, net: Building) -> None:
    """Say Dropout: the input, since the net is for use; NodeError where the model trains."""
    node.get("ratio"), node.get("seed")
    mode = net.constant(node.input(2)) if node.input(2) else None
    if node.input(2) and (mode is None or mode.any()):
        raise node.refuse("training_mode may be true", "export the model for use: model.eval()")
    identity(node, net)


@operator("Cast")
def cast(node: Node, net: Building) -> None:
    """Say Cast: the input: blobs are of float32. NodeError where a cast rounds values to whole numbers."""
    node.get("to"), node.get("saturate"), node.get("round_mode")
    if net.graph.is_float(node.input(0)) and not net.graph.is_float(node.outputs[0]):
        raise node.refuse("it rounds to whole numbers", "take it out of the model: Caffe's blobs hold fractions")
    identity(node, net)
