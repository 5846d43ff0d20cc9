"""Sums, means and the largest along axes, and where the largest is: Pooling, Reduction, Convolution, ArgMax."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelite.onnx_import.axes import axes_of, axis_of
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.operators.shaping import reshape_dims
from caffelite.onnx_import.pieces import ordered
from caffelite.onnx_import.register import operator

_TYPES = {"ReduceMean": "MEAN", "ReduceSum": "SUM", "ReduceL1": "ASUM", "ReduceSumSquare": "SUMSQ"}
_POOLS = {"ReduceMean": "AVE", "ReduceMax": "MAX"}


@operator("ReduceMean", "ReduceSum", "ReduceL1", "ReduceSumSquare", "ReduceMax")
def reduce(node: Node, net: Building) -> None:
    """Say what reduces: along the pixels of an image, the last axes, or the channels."""
    shape = net.shape(node.input(0))
    node.get("keepdims"), node.get("noop_with_empty_axes")  # the output's shape says the first
    axes = axes_of(node, net, 1, len(shape))
    if net.shape(node.outputs[0]) == shape:
        net.same(node.outputs[0], node.input(0), node)
    elif axes == [2, 3] and len(shape) == 4 and node.operator in _POOLS:
        pooling = {"pool": _POOLS[node.operator], "global_pooling": True}
        _finish(node, net, (*shape[:2], 1, 1), "Pooling", pooling_param=pooling)
    elif axes == list(range(axes[0], len(shape))) and node.operator in _TYPES:
        fields = {"operation": _TYPES[node.operator], "axis": axes[0]}
        _finish(node, net, shape[: axes[0]], "Reduction", reduction_param=fields)
    elif axes == [1] and len(shape) == 4 and node.operator in ("ReduceMean", "ReduceSum"):
        weight = 1 / shape[1] if node.operator == "ReduceMean" else 1.0
        blobs = [np.full((1, shape[1], 1, 1), weight)]
        conv = {"num_output": 1, "kernel_size": [1], "bias_term": False}
        _finish(node, net, (shape[0], 1, *shape[2:]), "Convolution", blobs=blobs, convolution_param=conv)
    elif len(axes) == 1 and node.operator == "ReduceMax":
        largest = {"axis": axes[0], "out_max_val": True}
        made = (*shape[: axes[0]], 1, *shape[axes[0] + 1 :])
        _finish(node, net, made, "ArgMax", argmax_param=largest)
    else:
        raise node.refuse(f"axes is {axes} of the shape {shape}", "Caffe reduces the last axes, pixels or channels")


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
    bottom, wanted = bottom or net.blob(node, node.input(0)), net.shape(node.outputs[0])
    if made == wanted:
        net.add(node, type_name, [bottom], node.outputs[0], **of)
        return
    whole = net.step(node, "whole", type_name, [bottom], **of)
    param = {"shape": {"dim": reshape_dims(made, wanted)}}
    net.add(node, "Reshape", [whole], node.outputs[0], reshape_param=param)
