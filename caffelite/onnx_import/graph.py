"""The graph of an ONNX file as the operators here look at it: nodes in order, constants, and every tensor's shape."""

from __future__ import annotations

from collections import defaultdict
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from caffelite.core.blob import Array, Shape
from caffelite.core.format import shape_string
from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.node import Node

DOMAINS = ("", "ai.onnx")
MOST = 2**31 - 1  # values of a blob: Caffe counts them with an int
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16)


class Graph:
    """Nodes of a simplified model whose shapes are all known. `opset` is the version of the operators."""

    def __init__(self, model: Any) -> None:
        graph = model.graph
        self.name: str = graph.name
        self.opset = opset_of(model)
        self.constants: dict[str, Array] = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
        self.inputs = [entry.name for entry in graph.input if entry.name not in self.constants]
        self.outputs = list(dict.fromkeys(entry.name for entry in graph.output))  # a model may list one twice
        self.shapes: dict[str, Shape] = {name: value.shape for name, value in self.constants.items()}
        self._float = {name: value.dtype.kind == "f" for name, value in self.constants.items()}
        for entry in (*graph.input, *graph.value_info, *graph.output):
            self._note(entry)
        self.nodes: list[Node] = []
        for number, proto in enumerate(graph.node):
            self._take(proto, number)

    def _note(self, entry: Any) -> None:
        kind = entry.type.tensor_type
        if entry.type.WhichOneof("value") == "tensor_type" and kind.HasField("shape"):
            if all(dim.HasField("dim_value") for dim in kind.shape.dim):
                self.shapes[entry.name] = tuple(dim.dim_value for dim in kind.shape.dim)
        self._float[entry.name] = kind.elem_type in FLOATS

    def _take(self, proto: Any, number: int) -> None:
        """Add a node, or the values of one that is a constant."""
        attributes = {entry.name: _plain(helper.get_attribute_value(entry)) for entry in proto.attribute}
        operator = proto.op_type if proto.domain in DOMAINS else f"{proto.domain}.{proto.op_type}"
        name = proto.name or next(filter(None, proto.output), f"{operator}_{number}")
        node = Node(operator, name, proto.input, proto.output, attributes)
        if operator != "Constant":
            self.nodes.append(node)
            return
        (value,) = attributes.values()
        if isinstance(value, str | list) and not all(isinstance(entry, int | float) for entry in value):
            raise node.refuse("its value is text", "take it out of the model: Caffe computes with numbers alone")
        self.constants[proto.output[0]] = array = np.asarray(value)
        self.shapes[proto.output[0]] = array.shape

    def shape(self, tensor: str) -> Shape:
        """Return the shape of a tensor; OnnxError if the file leaves it open or it is too large."""
        if tensor not in self.shapes:
            raise OnnxError(
                f'the shape of "{tensor}" depends on the values in the net; give the sizes of all inputs (--shape on '
                "the command line), or export the model with fixed sizes"
            )
        shape = self.shapes[tensor]
        if prod(shape) > MOST:
            raise OnnxError(f'"{tensor}" has the shape {shape_string(shape)}; a blob holds {MOST} values at most')
        return shape

    def is_float(self, tensor: str) -> bool:
        """Return whether a tensor holds floating-point numbers, as all of Caffe's blobs do."""
        return self._float.get(tensor, True)

    def readers(self) -> dict[str, list[Node]]:
        """Map each tensor to the nodes that read it."""
        found: dict[str, list[Node]] = defaultdict(list)
        for node in self.nodes:
            for tensor in filter(None, node.inputs):
                found[tensor].append(node)
        return found


def opset_of(model: Any) -> int:
    """Return the version of ONNX's own operators that a model uses."""
    return next((int(entry.version) for entry in model.opset_import if entry.domain in DOMAINS), 1)


def _plain(value: Any) -> Any:
    """Return an attribute as numbers, text, lists or an array."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, str | int | float | onnx.GraphProto):
        return value
    return [_plain(entry) for entry in value] if hasattr(value, "__iter__") else value
