"""Add, Sub, Mul and Div of two blobs (Eltwise, or Scale and Bias of two bottoms) or of a blob and a constant."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.operators.activation import clipped
from caffelite.onnx_import.operators.shaping import reshaped
from caffelite.onnx_import.register import operator
from caffelite.onnx_import.repeating import aligned, repeated

_MINUS, _INVERSE = {"scale": -1.0}, {"power": -1.0}


@operator("Add", "Sub", "Mul", "Div")
def binary(node: Node, net: Building) -> None:
    """Say Add, Sub, Mul and Div: where the smaller is repeated along axes of size 1, as numpy does."""
    left, right = node.inputs
    shape = net.shape(node.outputs[0])
    for constant, other, first in ((right, left, False), (left, right, True)):
        values = net.constant(constant)
        if values is not None and net.constant(other) is None and net.shape(other) == shape:
            _with_constant(node, net, net.blob(node, other), values, first)
            return
    _two_blobs(node, net, shape)


def _with_constant(node: Node, net: Building, x: str, values: Array, first: bool) -> None:
    """Add the layers for a blob and a constant, which is the `first` or the second."""
    values = values.astype(np.float64)
    operation = node.operator
    if operation == "Div" and not first and not values.all():
        raise node.refuse("input 1, the divisor, has a 0", "divide by something else")
    if values.size == 1:
        _with_number(node, net, x, float(values.reshape(())), first)
        return
    if first and operation in ("Sub", "Div"):
        x = net.step(node, "turned", "Power", [x], power_param=_MINUS if operation == "Sub" else _INVERSE)
    elif operation == "Sub":
        values = -values
    elif operation == "Div":
        values = 1 / values
    axis, values = _placed(values, net.shape(node.outputs[0]))
    if operation in ("Add", "Sub"):
        fields: dict[str, Any] = {"bias_param": {"axis": axis, "num_axes": values.ndim}}
        net.add(node, "Bias", [x], node.outputs[0], blobs=[values], **fields)
    else:
        fields = {"scale_param": {"axis": axis, "num_axes": values.ndim}}
        net.add(node, "Scale", [x], node.outputs[0], blobs=[values], **fields)


def _with_number(node: Node, net: Building, x: str, number: float, first: bool) -> None:
    if node.operator == "Add":
        fields = {"shift": number}
    elif node.operator == "Sub":
        fields = {"scale": -1.0, "shift": number} if first else {"shift": -number}
    elif node.operator == "Mul":
        fields = {"scale": number}
    elif not first:
        fields = {"scale": 1 / number}
    elif number:
        fields = {"scale": 1 / number, "power": -1.0}  # (x / number) ^ -1
    else:
        raise node.refuse("input 0 is 0", "it makes 0, or nothing: take the division out")
    net.add(node, "Power", [x], node.outputs[0], power_param=fields)


def _placed(values: Array, shape: Shape) -> tuple[int, Array]:
    """Return the first axis along which a constant differs, and its values from there to the last such axis."""
    values = values.reshape(aligned(values.shape, len(shape)))
    axes = [axis for axis in range(len(shape)) if values.shape[axis] != 1]
    begin, end = axes[0], axes[-1] + 1
    block = values.reshape(values.shape[begin:end])
    return begin, np.broadcast_to(block, shape[begin:end])


def _two_blobs(node: Node, net: Building, shape: Shape) -> None:
    """Add the layers for two blobs, of which each may have to be repeated."""
    left, right = (net.blob(node, tensor) for tensor in node.inputs)
    ours, theirs = (net.shape(tensor) for tensor in node.inputs)
    if node.operator == "Sub" and ours == theirs:
        fields: dict[str, Any] = {"operation": "SUM", "coeff": [1.0, -1.0]}
        net.add(node, "Eltwise", [left, right], node.outputs[0], eltwise_param=fields)
        return
    if node.operator in ("Sub", "Div"):  # a - b is a + -b, a / b is a * 1/b
        turn = _MINUS if node.operator == "Sub" else _INVERSE
        right = net.step(node, "turned", "Power", [right], power_param=turn)
    total = node.operator in ("Add", "Sub")
    if ours == theirs:
        fields = {"operation": "SUM" if total else "PROD"}
        net.add(node, "Eltwise", [left, right], node.outputs[0], eltwise_param=fields)
    elif theirs == shape:
        _spread(node, net, right, left, ours, total)
    else:  # of two that are both repeated, the first becomes as large as the result
        _spread(node, net, repeated(node, net, left, ours, shape, "first"), right, theirs, total)


def _spread(node: Node, net: Building, large: str, small: str, sizes: Shape, total: bool) -> None:
    """Add the layers for a blob and one that is repeated: Bias or Scale where its axes lie together, else Tile."""
    shape = net.shape(node.outputs[0])
    size = aligned(sizes, len(shape))
    axes = [axis for axis, count in enumerate(size) if count != 1]
    name, key = ("Bias", "bias_param") if total else ("Scale", "scale_param")
    if not axes:
        small = reshaped(node, net, small, sizes, (), "number")
        net.add(node, name, [large, small], node.outputs[0])
        return
    end = axes[-1] + 1
    for begin in (len(shape) - len(sizes), axes[0]):  # first with the batch, where it has one
        if size[begin:end] == shape[begin:end]:
            small = reshaped(node, net, small, sizes, size[begin:end], "fewer_axes")
            of: dict[str, Any] = {key: {"axis": begin}}
            net.add(node, name, [large, small], node.outputs[0], **of)
            return
    small = repeated(node, net, small, sizes, shape)
    fields = {"operation": "SUM" if total else "PROD"}
    net.add(node, "Eltwise", [large, small], node.outputs[0], eltwise_param=fields)


@operator("Sum", "Mean", "Max", "Min")
def several(node: Node, net: Building) -> None:
    """Say Sum, Mean, Max and Min of any number of blobs, the smaller ones repeated.

    Two are added as Add does it; the larger or smaller of a blob and a number is a Clip, and Min is -max(-a, -b).
    """
    if len(node.inputs) == 1:
        net.same(node.outputs[0], node.inputs[0], node)
        return
    if node.operator == "Sum" and len(node.inputs) == 2:
        binary(Node("Add", node.name, node.inputs, node.outputs, {}), net)
        return
    if node.operator in ("Max", "Min") and _with_bound(node, net):
        return
    shape, bottoms = net.shape(node.outputs[0]), []
    for index, tensor in enumerate(node.inputs):
        bottom = net.blob(node, tensor)
        if node.operator == "Min":
            bottom = net.step(node, f"minus_{index}", "Power", [bottom], power_param=_MINUS)
        bottoms.append(repeated(node, net, bottom, net.shape(tensor), shape, f"tile_{index}"))
    fields: dict[str, Any] = {"operation": "MAX" if node.operator in ("Max", "Min") else "SUM"}
    if node.operator == "Mean":
        fields["coeff"] = [1 / len(node.inputs)] * len(node.inputs)
    if node.operator == "Min":
        largest = net.step(node, "largest", "Eltwise", bottoms, eltwise_param=fields)
        net.add(node, "Power", [largest], node.outputs[0], power_param=_MINUS)
    else:
        net.add(node, "Eltwise", bottoms, node.outputs[0], eltwise_param=fields)


def _with_bound(node: Node, net: Building) -> bool:
    """Add a Clip layer if the node compares a blob with a number; return whether it does."""
    if len(node.inputs) != 2:
        return False
    for bound, other in (node.inputs, node.inputs[::-1]):
        values, shape = net.constant(bound), net.shape(other)
        if values is None or values.size != 1 or net.constant(other) is not None or shape != net.shape(node.outputs[0]):
            continue
        number = float(values.reshape(()))
        clipped(node, net, net.blob(node, other), *((number, np.inf) if node.operator == "Max" else (-np.inf, number)))
        return True
    return False
