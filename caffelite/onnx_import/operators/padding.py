"""Pad with zeros: a depthwise convolution with a kernel of 1, which pads."""

from __future__ import annotations

import numpy as np

from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.register import operator
from caffelite.onnx_import.window import Window, widened, window_fields


@operator("Pad")
def pad(node: Node, net: Building) -> None:
    """Say Pad: zeros around the pixels. Pads in front of a convolution alone have been merged into it before."""
    node.require("mode", "constant", fix="Caffe pads with zeros; pad with zeros, or before the net")
    shape = net.shape(node.input(0))
    listed = net.needed(node, 1, "the pads").reshape(-1).tolist() if node.input(1) else list(node.get("pads") or [])
    value = net.needed(node, 2, "the value") if node.input(2) else np.asarray(node.get("value", 0.0))
    axes = [axis % len(shape) for axis in net.needed(node, 3, "the axes").tolist()] if node.input(3) else None
    pads = np.zeros((2, len(shape)), int)
    pads[:, range(len(shape)) if axes is None else axes] = np.reshape(listed, (2, -1))
    if not pads.any():
        net.same(node.outputs[0], node.input(0), node)
        return
    if value.any():
        raise node.refuse(f"the value is {float(value.reshape(-1)[0]):g}", "Caffe pads with zeros; use 0")
    if len(shape) < 3 or pads[:, :2].any() or pads.min() < 0:
        raise node.refuse(f"pads is {listed}", "Caffe pads the pixels of images, by 0 or more")
    ones = (1,) * (len(shape) - 2)
    begin, end = (tuple(map(int, row[2:])) for row in pads)
    window, weights = widened(Window(ones, ones, begin, end, ones), np.ones((shape[1], 1, *ones)))
    net.note(f"{node.name} pads with zeros: a convolution that copies each channel does it")
    fields = {"num_output": shape[1], **window_fields(window), "group": shape[1], "bias_term": False}
    bottom = net.blob(node, node.input(0))
    net.add(node, "Convolution", [bottom], node.outputs[0], blobs=[weights], convolution_param=fields)
