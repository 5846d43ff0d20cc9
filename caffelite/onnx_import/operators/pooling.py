"""MaxPool, AveragePool and those over the whole image: Pooling."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import LayerError
from caffelite.core.layers.shared.pooling_window import pooled_shape, pooling_window
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.operators.shaping import reshaped
from caffelite.onnx_import.pieces import ordered
from caffelite.onnx_import.register import operator
from caffelite.onnx_import.window import Window, window_fields, window_of
from caffelite.proto.caffe_pb2 import PoolingParameter


class _Image(NamedTuple):
    """What is pooled: the height and width of the image, windows on it, and how many are wanted down and across."""

    sizes: Shape
    window: Window
    wanted: Shape


class _Pooling(NamedTuple):
    """Caffe's way: the fields, how many windows they make, and how many of these come before the first wanted one."""

    fields: dict[str, Any]
    made: Shape
    before: Shape
    pads: Shape


@operator("MaxPool")
def max_pool(node: Node, net: Building) -> None:
    """Say MaxPool: the largest value of each window: what lies beside the image never counts, here as there."""
    node.require("storage_order", 0, fix="leave it out: it is about places, which are not made here")
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.refuse("output 1, the places, is read", "Caffe's places are others; take Upsample out of the model")
    image = _image(node, net)
    _finish(node, net, _pool(node, net, image, _pooling(node, image, "MAX")))


@operator("AveragePool")
def average_pool(node: Node, net: Building) -> None:
    """Say AveragePool: the mean of each window; a Scale layer mends it where padding counts otherwise in Caffe."""
    image = _image(node, net)
    include = bool(node.get("count_include_pad", 0))
    if include:
        _check_size(node, image)
    pooling = _pooling(node, image, "AVE")
    ours = _counted(image, pooling.pads)  # Caffe counts as much padding behind as before
    theirs = _counted(image, image.window.end if include else None)
    if theirs.min() < 1:
        raise node.refuse(f"pads is {list(image.window.begin + image.window.end)}", "some windows see padding alone")
    means = _pool(node, net, image, pooling)
    if (ours != theirs).any():
        net.note(
            f"{node.name} does not count its padding as Caffe does: a Scale layer behind it mends the means, for an "
            f"image of {' x '.join(map(str, image.sizes))} alone"
        )
        scale = {"axis": 2, "num_axes": 2}
        means = net.step(node, "mended", "Scale", [means], blobs=[ours / theirs], scale_param=scale)
    _finish(node, net, means)


def _check_size(node: Node, image: _Image) -> None:
    """Raise NodeError for windows larger than the padded image, of which programs count other pixels than there are."""
    window = image.window
    padded = [size + b + e for size, b, e in zip(image.sizes, window.begin, window.end, strict=True)]
    if any(kernel > size for kernel, size in zip(window.kernel, padded, strict=True)):
        kernel, sizes = (" x ".join(map(str, of)) for of in (window.kernel, padded))
        raise node.refuse(
            f"attribute kernel_shape is {kernel}, and the image with its padding {sizes}", "use a smaller kernel"
        )


def _counted(image: _Image, end: Shape | None) -> Array:
    """Return how many pixels each window counts: of an image with its padding before and `end` of it behind.

    With None those of the image alone.
    """
    axes, window = [], image.window
    for axis, size in enumerate(image.sizes):
        first = np.arange(image.wanted[axis]) * window.stride[axis] - window.begin[axis]
        last = first + window.kernel[axis]
        if end is None:
            axes.append(np.minimum(last, size) - np.maximum(first, 0))
        else:
            axes.append(np.minimum(last, size + end[axis]) - first)
    counted: Array = np.multiply.outer(*axes).astype(np.float64)
    return counted


def _image(node: Node, net: Building) -> _Image:
    """Return what a node pools; a row is an image of a single one."""
    shape, wanted = net.shape(node.input(0)), net.shape(node.outputs[0])[2:]
    if len(shape) not in (3, 4):
        raise node.refuse(f"its input has the shape {shape}", "Caffe's Pooling knows images, (N, C, H, W)")
    window = window_of(node, node.get("kernel_shape"), shape[2:])
    if set(window.dilation) != {1}:
        raise node.refuse(f"attribute dilations is {list(window.dilation)}", "Caffe's Pooling has none; use 1")
    node.get("ceil_mode")  # the shape of the output says what it means
    if len(shape) == 4:
        return _Image(shape[2:], window, wanted)
    row = Window((1, *window.kernel), (1, *window.stride), (0, *window.begin), (0, *window.end), (1, 1))
    return _Image((1, shape[2]), row, (1, *wanted))


def _pooling(node: Node, image: _Image, pool: str) -> _Pooling:
    """Return the fields with the fewest windows among which are those that are wanted; NodeError if there are none.

    Caffe pads both ends alike and rounds both axes in one way. So there may be windows too many, behind the wanted
    ones, or before them where the padding is larger by whole strides.
    """
    window, found, stumbles = image.window, [], []
    most = [range(max(-(-(k - b) // s), 1)) for k, b, s in zip(window.kernel, window.begin, window.stride, strict=True)]
    for before in product(*most):
        pads = tuple(b + n * s for b, n, s in zip(window.begin, before, window.stride, strict=True))
        for rounding in ({}, {"round_mode": "FLOOR"}):
            fields = {"pool": pool, **_single(window_fields(replace(window, begin=pads, end=pads))), **rounding}
            try:
                made = _made(fields, image.sizes)
            except LayerError as err:
                stumbles.append(node.refuse(f"{err.field} would be {err.value}", err.fix))
                continue
            if all(n - b >= w for n, b, w in zip(made, before, image.wanted, strict=True)):
                found.append(_Pooling(fields, made, before, pads))
    if found:
        return min(found, key=lambda pooling: prod(pooling.made))  # the first of equal ones: the fewest fields
    if stumbles:
        raise stumbles[0]
    raise node.refuse(
        f"pads is {list(window.begin + window.end)} and the output {' x '.join(map(str, image.wanted))}",
        "Caffe pads by less than the kernel, both ends alike",
    )


def _made(fields: dict[str, Any], sizes: Shape) -> Shape:
    param = PoolingParameter(**fields)
    return pooled_shape(param, pooling_window(param, *sizes), *sizes)


def _single(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a convolution's fields as those of Pooling, which are no lists."""
    return {name: value[0] if isinstance(value, list) else value for name, value in fields.items()}


def _pool(node: Node, net: Building, image: _Image, pooling: _Pooling) -> str:
    """Add the Pooling layer, and a Slice layer for an axis with windows too many; return the blob of the others."""
    shape = net.shape(node.input(0))
    bottom = reshaped(node, net, net.blob(node, node.input(0)), shape, (*shape[:2], *image.sizes), "rows")
    blob = net.step(node, "", "Pooling", [bottom], pooling_param=pooling.fields)
    for axis, (made, before, wanted) in enumerate(zip(pooling.made, pooling.before, image.wanted, strict=True), 2):
        blob = ordered(node, net, blob, axis, made, range(before, before + wanted))
    return blob


def _finish(node: Node, net: Building, blob: str) -> None:
    """Let the output be the blob; what was made an image becomes a row again."""
    shape = net.shape(node.outputs[0])
    image = shape if len(shape) == 4 else (*shape[:2], 1, shape[2])
    net.hold(node.outputs[0], reshaped(node, net, blob, image, shape, "row"))


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(node: Node, net: Building) -> None:
    """Say GlobalAveragePool and GlobalMaxPool: one number for each channel."""
    pool = "AVE" if node.operator == "GlobalAveragePool" else "MAX"
    shape = net.shape(node.input(0))
    if len(shape) < 3:
        raise node.refuse(f"its input has the shape {shape}", "give it channels and pixels, (N, C, H, W)")
    image = shape if len(shape) == 4 else (*shape[:2], 1, prod(shape[2:]))
    bottom = reshaped(node, net, net.blob(node, node.input(0)), shape, image, "image")
    made = net.step(node, "", "Pooling", [bottom], pooling_param={"pool": pool, "global_pooling": True})
    net.hold(node.outputs[0], reshaped(node, net, made, (*shape[:2], 1, 1), net.shape(node.outputs[0]), "axes"))
