"""Pad: a depthwise convolution with a kernel of 1, which pads with zeros; Concat for others, Slice for less."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.pieces import ordered
from caffelite.onnx_import.register import operator
from caffelite.onnx_import.window import Window, widened, window_fields


@operator("Pad")
def pad(node: Node, net: Building) -> None:
    """Say Pad: zeros around the pixels; other values are joined on, and pixels of the image are put there again.

    Pads of zeros in front of a convolution have mostly been merged into it before.
    """
    shape, mode = net.shape(node.input(0)), node.get("mode", "constant")
    listed = net.needed(node, 1, "the pads").reshape(-1).tolist() if node.input(1) else list(node.get("pads") or [])
    value = net.needed(node, 2, "the value") if node.input(2) else np.asarray(node.get("value", 0.0))
    axes = [axis % len(shape) for axis in net.needed(node, 3, "the axes").tolist()] if node.input(3) else None
    pads = np.zeros((2, len(shape)), int)
    pads[:, range(len(shape)) if axes is None else axes] = np.reshape(listed, (2, -1))
    if (np.minimum(pads, 0).sum(axis=0) <= np.negative(shape)).any():
        raise node.refuse(f"pads is {listed}", "it takes all away; leave some of each axis")
    blob = net.blob(node, node.input(0))
    if mode == "constant" and pads.any() and not value.any() and len(shape) > 2 and not pads[:, :2].any():
        if pads.min() >= 0:
            _with_zeros(node, net, blob, pads[:, 2:])
            return
    for axis, (begin, end) in enumerate(pads.T.tolist()):
        if mode == "constant":
            blob = _joined(node, net, blob, axis, (begin, end), float(value.reshape(-1)[0]) if value.size else 0.0)
        else:
            blob = ordered(node, net, blob, axis, shape[axis], _places(node, mode, shape[axis], begin, end))
    net.hold(node.outputs[0], blob)


def _with_zeros(node: Node, net: Building, bottom: str, pads: Array) -> None:
    """Add a convolution that copies the channels, with pads of its own."""
    channels = net.shape(node.input(0))[1]
    ones = (1,) * pads.shape[1]
    begin, end = (tuple(map(int, row)) for row in pads)
    window, weights = widened(Window(ones, ones, begin, end, ones), np.ones((channels, 1, *ones)))
    net.note(f"{node.name} pads with zeros: a convolution that copies each channel does it")
    fields = {"num_output": channels, **window_fields(window), "group": channels, "bias_term": False}
    net.add(node, "Convolution", [bottom], node.outputs[0], blobs=[weights], convolution_param=fields)


def _joined(node: Node, net: Building, blob: str, axis: int, pads: tuple[int, int], value: float) -> str:
    """Return the blob with the value at both ends of an axis, or, where pads are negative, without its ends."""
    shape, wanted = net.shape(node.input(0)), net.shape(node.outputs[0])
    size = shape[axis]
    blob = ordered(node, net, blob, axis, size, range(max(-pads[0], 0), size + min(pads[1], 0)))
    fills = []
    for count in pads:
        sizes = (*wanted[:axis], max(count, 0), *shape[axis + 1 :])
        of = {"parameter_param": {"shape": {"dim": sizes}}}
        fills.append(
            [net.step(node, f"fill_{axis}", "Parameter", [], [np.full(sizes, value)], **of)] if count > 0 else []
        )
    parts = [*fills[0], blob, *fills[1]]
    return blob if len(parts) == 1 else net.step(node, f"joined_{axis}", "Concat", parts, concat_param={"axis": axis})


def _places(node: Node, mode: str, size: int, begin: int, end: int) -> list[int]:
    """Return which pixels lie along an axis that is padded with pixels of what negative pads leave of it."""
    left = np.arange(size)[max(-begin, 0) : size + min(end, 0)]
    at, last = np.arange(-max(begin, 0), len(left) + max(end, 0)), len(left) - 1
    if mode == "edge":
        at = at.clip(0, last)
    elif mode == "wrap":
        at %= len(left)
    elif mode == "reflect":
        if max(begin, end) > last:
            raise node.refuse(f"it reflects {max(begin, end)} pixels of {len(left)}", "use fewer than there are")
        at = last - abs(abs(at) - last)
    else:
        raise node.refuse(f'attribute mode is "{mode}"', "use constant, edge, reflect or wrap")
    return [int(place) for place in left[at]]
