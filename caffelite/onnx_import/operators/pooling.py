"""MaxPool, AveragePool and those over the whole image: Pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import LayerError
from caffelite.core.layers.shared.pooling_window import pooled_shape, pooling_window
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.register import operator
from caffelite.onnx_import.window import Window, window_fields, window_of
from caffelite.proto.caffe_pb2 import PoolingParameter


@operator("MaxPool")
def max_pool(node: Node, net: Building) -> None:
    """Say MaxPool: the largest value of each window: what lies beside the image never counts, here as there."""
    node.require("storage_order", 0, fix="leave it out: it is about places, which are not made here")
    bottom, _, fields = _windows(node, net, "MAX")
    _add(node, net, bottom, fields)


@operator("AveragePool")
def average_pool(node: Node, net: Building) -> None:
    """Say AveragePool: the mean of each window; a Scale layer mends it where padding counts otherwise in Caffe."""
    bottom, window, fields = _windows(node, net, "AVE")
    sizes = net.shape(node.input(0))[2:]
    pooled = net.shape(node.outputs[0])[2:]
    if len(sizes) == 1:
        window, sizes, pooled = _flat(window), (1, *sizes), (1, *pooled)
    include = bool(node.get("count_include_pad", 0))
    ours = _counted(window, sizes, pooled, window.begin)  # Caffe counts as much padding behind as before
    theirs = _counted(window, sizes, pooled, window.end) if include else _counted(window, sizes, pooled, None)
    if (ours == theirs).all():
        _add(node, net, bottom, fields)
        return
    net.note(
        f"{node.name} does not count its padding as Caffe does: a Scale layer behind it mends the means, for an image "
        f"of {' x '.join(map(str, sizes))} alone"
    )
    means = net.step(node, "means", "Pooling", [bottom], pooling_param=fields)
    scale = {"axis": 2, "num_axes": 2}
    _finish(node, net, means, "Scale", blobs=[ours / theirs], scale_param=scale)


def _counted(window: Window, sizes: Shape, pooled: Shape, end: Shape | None) -> Array:
    """Return how many pixels each window counts, of shape `pooled`: of an image with its begin and `end` of padding.

    With None those of the image alone.
    """
    axes = []
    for axis, size in enumerate(sizes):
        first = np.arange(pooled[axis]) * window.stride[axis] - window.begin[axis]
        last = first + window.kernel[axis]
        if end is None:
            axes.append(np.minimum(last, size) - np.maximum(first, 0))
        else:
            axes.append(np.minimum(last, size + end[axis]) - first)
    counted: Array = np.multiply.outer(*axes).astype(np.float64)
    return counted


def _windows(node: Node, net: Building, pool: str) -> tuple[str, Window, dict[str, Any]]:
    """Return the blob to pool, with two axes of pixels, the window, and the fields of Pooling that give as many.

    Raises NodeError where neither way of rounding does.
    """
    shape = net.shape(node.input(0))
    if len(shape) not in (3, 4):
        raise node.refuse(f"its input has the shape {shape}", "Caffe's Pooling knows images, (N, C, H, W)")
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.refuse("output 1, the places, is read", "Caffe's places are others; take Upsample out of the model")
    window = window_of(node, node.get("kernel_shape"), shape[2:])
    if set(window.dilation) != {1}:
        raise node.refuse(f"attribute dilations is {list(window.dilation)}", "Caffe's Pooling has none; use 1")
    node.get("ceil_mode")  # the shape of the output says what it means
    bottom, wanted = net.blob(node, node.input(0)), net.shape(node.outputs[0])[2:]
    if len(shape) == 3:
        window, shape, wanted = _flat(window), (*shape[:2], 1, shape[2]), (1, *wanted)
        dims = [0, 0, 1, shape[3]]
        bottom = net.step(node, "rows", "Reshape", [bottom], reshape_param={"shape": {"dim": dims}})
    fields = _single(window_fields(window))
    for rounding in ({}, {"round_mode": "FLOOR"}):
        found = {"pool": pool, **fields, **rounding}
        if _pooled(node, found, shape) == wanted:
            return bottom, window, found
    raise node.refuse(
        f"pads is {list(window.begin + window.end)} and the output {' x '.join(map(str, wanted))}",
        "Caffe pads both ends alike; write equal pads",
    )


def _pooled(node: Node, fields: dict[str, Any], shape: Shape) -> Shape:
    param = PoolingParameter(**fields)
    try:
        return pooled_shape(param, pooling_window(param, *shape[2:]), *shape[2:])
    except LayerError as err:
        raise node.refuse(f"{err.field} would be {err.value}", err.fix) from None


def _flat(window: Window) -> Window:
    """Return the window of a row as one of an image with a single row."""
    return Window((1, *window.kernel), (1, *window.stride), (0, *window.begin), (0, *window.end), (1, 1))


def _single(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a convolution's fields as those of Pooling, which are no lists."""
    return {name: value[0] if isinstance(value, list) else value for name, value in fields.items()}


def _add(node: Node, net: Building, bottom: str, fields: dict[str, Any]) -> None:
    _finish(node, net, bottom, "Pooling", pooling_param=fields)


def _finish(node: Node, net: Building, bottom: str, type_name: str, **of: Any) -> None:
    """Add the last layer; what was made an image for it becomes a row again."""
    shape = net.shape(node.outputs[0])
    if len(shape) == 4:
        net.add(node, type_name, [bottom], node.outputs[0], **of)
        return
    image = net.step(node, "image", type_name, [bottom], **of)
    net.add(node, "Reshape", [image], node.outputs[0], reshape_param={"shape": {"dim": [0, 0, shape[2]]}})


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(node: Node, net: Building) -> None:
    """Say GlobalAveragePool and GlobalMaxPool: one number for each channel."""
    pool = "AVE" if node.operator == "GlobalAveragePool" else "MAX"
    shape = net.shape(node.input(0))
    if len(shape) != 4:
        raise node.refuse(f"its input has the shape {shape}", "Caffe's Pooling knows images, (N, C, H, W)")
    fields = {"pool": pool, "global_pooling": True}
    net.add(node, "Pooling", [net.blob(node, node.input(0))], node.outputs[0], pooling_param=fields)
