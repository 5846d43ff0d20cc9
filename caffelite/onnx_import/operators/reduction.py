"""Sums, means and the largest along axes, and where the largest is: Pooling, Reduction, Convolution, ArgMax."""

from __future__ import annotations

from math import prod
from typing import Any

from caffelite.onnx_import.axes import axes_of, axis_of
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.operators.shaping import reshaped
from caffelite.onnx_import.pieces import ordered
from caffelite.onnx_import.register import operator

_TYPES = {"ReduceMean": "MEAN", "ReduceSum": "SUM", "ReduceL1": "ASUM", "ReduceSumSquare": "SUMSQ"}
_POOLS = {"ReduceMean": "AVE", "ReduceMax": "MAX"}
# what is done with each value before: "name": (type, its fields)
_BEFORE: dict[str, tuple[str, dict[str, Any]]] = {
    "ReduceL1": ("AbsVal", {}),
    "ReduceSumSquare": ("Power", {"power_param": {"power": 2.0}}),
}


@operator("ReduceMean", "ReduceSum", "ReduceL1", "ReduceSumSquare", "ReduceMax")
def reduce(node: Node, net: Building) -> None:
    """Say what reduces: the last axes and whole images by a layer of their own, others by Pooling, some at a time."""
    shape, wanted = net.shape(node.input(0)), net.shape(node.outputs[0])
    node.get("keepdims")
    listed = axes_of(node, net, 1, len(shape))
    axes = [axis for axis in listed if shape[axis] != 1]
    if node.get("noop_with_empty_axes", 0) and wanted == shape:
        axes = []
    if not axes:
        blob = _values(node, net)
        net.hold(node.outputs[0], reshaped(node, net, blob, shape, wanted, "axes"))
    elif axes == [2, 3] and len(shape) == 4 and node.operator in _POOLS:
        pooling = {"pool": _POOLS[node.operator], "global_pooling": True}
        _finish(node, net, (*shape[:2], 1, 1), "Pooling", pooling_param=pooling)
    elif listed == list(range(listed[0], len(shape))) and node.operator in _TYPES:
        fields = {"operation": _TYPES[node.operator], "axis": listed[0]}
        _finish(node, net, shape[: listed[0]], "Reduction", reduction_param=fields)
    else:
        _by_pooling(node, net, axes)


def _values(node: Node, net: Building) -> str:
    """Return a blob of the values that are added up: their sizes or squares, or as they are."""
    bottom = net.blob(node, node.input(0))
    if node.operator not in _BEFORE:
        return bottom
    type_name, of = _BEFORE[node.operator]
    return net.step(node, "", type_name, [bottom], **of)


def _by_pooling(node: Node, net: Building, axes: list[int]) -> None:
    """Add Pooling layers, one for axes that lie together, around them what makes sums of the means."""
    shape, wanted = net.shape(node.input(0)), net.shape(node.outputs[0])
    blob, pool = _values(node, net), "MAX" if node.operator == "ReduceMax" else "AVE"
    while axes:
        count = next(number for number in range(1, len(axes) + 1) if axes[number:][:1] != [axes[0] + number])
        begin, end = axes[0], axes[0] + count
        image = (*((shape[0], prod(shape[1:begin])) if begin else (1, 1)), prod(shape[begin:end]), prod(shape[end:]))
        window = {"pool": pool, "kernel_h": image[2], "kernel_w": 1}
        blob = reshaped(node, net, blob, shape, image, f"image_{begin}")
        blob = net.step(node, f"axis_{begin}", "Pooling", [blob], pooling_param=window)
        made = (*shape[:begin], *(1,) * count, *shape[end:])
        axes = axes[count:]
        blob = reshaped(node, net, blob, (*image[:2], 1, image[3]), made if axes else wanted, f"axes_{begin}")
        shape = made
    if node.operator in _TYPES and node.operator != "ReduceMean":
        values = prod(net.shape(node.input(0))) // prod(wanted)
        blob = net.step(node, "sums", "Power", [blob], power_param={"scale": float(values)})
    net.hold(node.outputs[0], blob)


@operator("ArgMax")
def arg_max(node: Node, net: Building) -> None:
    """Say ArgMax: where along an axis the largest value is, as a float.

    Of equal values Caffe takes the last. ONNX takes the first, unless select_last_index says otherwise: that is the
    last one of the values backwards.
    """
    node.get("keepdims")
    shape = net.shape(node.input(0))
    axis = axis_of(node, len(shape))
    size = shape[axis]
    made = (*shape[:axis], 1, *shape[axis + 1 :])
    if node.get("select_last_index", 0) or size == 1:
        _finish(node, net, made, "ArgMax", argmax_param={"axis": axis})
        return
    turned = ordered(node, net, net.blob(node, node.input(0)), axis, size, range(size)[::-1])
    place = net.step(node, "from_end", "ArgMax", [turned], argmax_param={"axis": axis})
    _finish(node, net, made, "Power", place, power_param={"scale": -1.0, "shift": size - 1})


def _finish(node: Node, net: Building, made: tuple[int, ...], type_name: str, bottom: str = "", **of: Any) -> None:
    """Add the layer, whose top has the shape `made`, and a Reshape where the node's output has another.

    `bottom` is the node's first input unless it is given.
    """
    blob = net.step(node, "", type_name, [bottom or net.blob(node, node.input(0))], **of)
    net.hold(node.outputs[0], reshaped(node, net, blob, made, net.shape(node.outputs[0]), "axes"))
