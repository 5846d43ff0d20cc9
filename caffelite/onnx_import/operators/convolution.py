"""Conv and ConvTranspose: Convolution and Deconvolution, whose blobs of weights have the same axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelite.core.blob import Array
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.register import operator
from caffelite.onnx_import.window import Window, widened, window_fields, window_of

_WIDENED = (
    "{name} pads the ends of the image unequally, which no field of Caffe says: its kernel got zeros at one side, so "
    "that it sees the same pixels with equal pads"
)


@operator("Conv")
def conv(node: Node, net: Building) -> None:
    """Say Conv: weights (num_output, C / group, *kernel), bias (num_output,)."""
    weights = net.needed(node, 1, "the weights")
    _check_channels(node, net, weights.shape[1] * int(node.get("group", 1)))
    window = window_of(node, weights.shape[2:], net.shape(node.input(0))[2:])
    window, weights = _equal_pads(node, net, window, weights)
    _add(node, net, "Convolution", weights.shape[0], window, weights)


@operator("ConvTranspose")
def conv_transpose(node: Node, net: Building) -> None:
    """Say ConvTranspose: weights (C, num_output / group, *kernel).

    The output's shape says where it ends. Where Caffe's ends elsewhere the kernel gets zeros at an end.
    """
    weights = net.needed(node, 1, "the weights")
    _check_channels(node, net, weights.shape[0])
    sizes, made = net.shape(node.input(0))[2:], net.shape(node.outputs[0])[2:]
    window = window_of(node, weights.shape[2:], sizes)
    extra = node.get("output_padding") or [0] * len(sizes)
    auto, placed = node.get("auto_pad", "NOTSET"), node.get("output_shape") is not None
    room, pads = [(0, 0)] * 2, []
    for axis, (size, stride, dilation) in enumerate(zip(sizes, window.stride, window.dilation, strict=True)):
        whole = (size - 1) * stride + (window.kernel[axis] - 1) * dilation + 1  # without pads
        begin = window.begin[axis]
        if placed or auto.startswith("SAME"):
            missing = max(whole + extra[axis] - made[axis], 0)
            begin = missing // 2 if auto == "SAME_UPPER" else missing - missing // 2
        longer = begin - (whole - begin - made[axis])  # how much further it reaches at its end than at its beginning
        if longer % dilation:
            raise node.refuse(
                f"along axis {axis + 2} {begin} pixels are cut off in front and {begin - longer} behind",
                f"with a dilation of {dilation} the two have to differ by a multiple of it",
            )
        room.append((max(-longer // dilation, 0), max(longer // dilation, 0)))
        pads.append(begin + max(-longer, 0))
    if np.any(room):
        net.note(_WIDENED.format(name=node.name))
    weights = np.pad(weights, room)
    window = Window(weights.shape[2:], window.stride, tuple(pads), tuple(pads), window.dilation)
    _add(node, net, "Deconvolution", weights.shape[1] * int(node.get("group", 1)), window, weights)


def _check_channels(node: Node, net: Building, channels: int) -> None:
    shape = net.shape(node.input(0))
    if shape[1] != channels:
        raise node.refuse(
            f"its input has the shape {shape}, {shape[1]} channels", f"its weights are for {channels}; give it as many"
        )


def _equal_pads(node: Node, net: Building, window: Window, weights: Array) -> tuple[Window, Array]:
    if window.symmetric():
        return window, weights
    net.note(_WIDENED.format(name=node.name))
    return widened(window, weights)


def _add(node: Node, net: Building, type_name: str, outputs: int, window: Window, weights: Array) -> None:
    blobs = [weights]
    fields: dict[str, Any] = {"num_output": outputs, **window_fields(window)}
    if node.input(2):
        blobs.append(net.needed(node, 2, "the bias").reshape(-1))
    else:
        fields["bias_term"] = False
    if node.get("group", 1) != 1:
        fields["group"] = node.get("group")
    bottom = net.blob(node, node.input(0))
    net.add(node, type_name, [bottom], node.outputs[0], blobs=blobs, convolution_param=fields)
