"""Kernel, strides, pads and dilations of a node with windows, and how Caffe's fields say them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelite.core.blob import Array
from caffelite.onnx_import.node import Node

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """The windows of a node, one number for each axis behind the channels. `begin` and `end` are the pads."""

    kernel: Sizes
    stride: Sizes
    begin: Sizes
    end: Sizes
    dilation: Sizes

    def symmetric(self) -> bool:
        """Return whether there is as much padding behind the image as before it, which is all Caffe knows."""
        return self.begin == self.end


def window_of(node: Node, kernel: Sequence[int], sizes: Sequence[int]) -> Window:
    """Return the window of a node that reads an image of `sizes`; auto_pad is worked out.

    Raises NodeError for a kernel_shape that is not the weights', for negative pads, and for an auto_pad that means
    different things to different programs.
    """
    kernel, axes = tuple(kernel), len(kernel)
    if tuple(node.get("kernel_shape", kernel)) != kernel:
        raise node.refuse(f"attribute kernel_shape is {node.get('kernel_shape')}", f"its weights are of {kernel}")
    stride = tuple(node.get("strides") or (1,) * axes)
    dilation = tuple(node.get("dilations") or (1,) * axes)
    pads = tuple(node.get("pads") or (0,) * (2 * axes))
    begin, end = pads[:axes], pads[axes:]
    auto = node.get("auto_pad", "NOTSET")
    if auto == "VALID":
        begin = end = (0,) * axes
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        missing = [(-(-size // s) - 1) * s + r - size for size, s, r in zip(sizes, stride, reach, strict=True)]
        if min(missing) < -1 and node.operator != "ConvTranspose":  # where programs are not of one mind
            raise node.refuse(
                f"attribute auto_pad is {auto}, and strides of {list(stride)} leave more than one pixel out",
                "write pads: programs begin such windows at different pixels",
            )
        missing = [max(pad, 0) for pad in missing]
        less, more = tuple(pad // 2 for pad in missing), tuple(pad - pad // 2 for pad in missing)
        begin, end = (less, more) if auto == "SAME_UPPER" else (more, less)
    if min((*begin, *end), default=0) < 0:
        raise node.refuse(
            f"attribute pads is {list(pads)}", "cut the image off with a Slice: Caffe's pads are 0 or more"
        )
    return Window(kernel, stride, begin, end, dilation)


def widened(window: Window, weights: Array) -> tuple[Window, Array]:
    """Return a window with as much padding at both ends, and weights that see the same pixels: zeros come to them.

    weights: (..., *kernel). Where an end has `n` less padding, the kernel grows by n zeros at that end, so that
    windows begin and end elsewhere but count the same. Zeros also fill a dilated kernel that cannot grow by n.
    """
    pad = tuple(map(max, window.begin, window.end))
    before = [p - b for p, b in zip(pad, window.begin, strict=True)]
    behind = [p - e for p, e in zip(pad, window.end, strict=True)]
    dilation = list(window.dilation)
    for axis, grown in enumerate(zip(before, behind, strict=True)):
        if any(zeros % dilation[axis] for zeros in grown):
            weights = _dense(weights, weights.ndim - len(pad) + axis, dilation[axis])
            dilation[axis] = 1
    room = [(0, 0)] * (weights.ndim - len(pad))
    room += [(b // d, e // d) for b, e, d in zip(before, behind, dilation, strict=True)]
    weights = np.pad(weights, room)
    kernel = weights.shape[weights.ndim - len(pad) :]
    return Window(kernel, window.stride, pad, pad, tuple(dilation)), weights


def _dense(weights: Array, axis: int, dilation: int) -> Array:
    """Return the weights with zeros in the gaps of a dilated axis."""
    shape = list(weights.shape)
    shape[axis] = (shape[axis] - 1) * dilation + 1
    dense = np.zeros(shape, weights.dtype)
    place = [slice(None)] * weights.ndim
    place[axis] = slice(None, None, dilation)
    dense[tuple(place)] = weights
    return dense


def window_fields(window: Window) -> dict[str, Any]:
    """Return kernel_size, stride, pad and dilation as a ConvolutionParameter has them; what is the default is left out.

    One number where all axes agree, else kernel_h and kernel_w in two axes and a list in others.
    """
    fields: dict[str, Any] = {}
    for name, side, values, default in (
        ("kernel_size", "kernel", window.kernel, None),
        ("stride", "stride", window.stride, 1),
        ("pad", "pad", window.begin, 0),
    ):
        if len(set(values)) == 1:
            fields |= {} if values[0] == default else {name: [values[0]]}
        elif len(values) == 2:
            fields |= {f"{side}_h": values[0], f"{side}_w": values[1]}
        else:
            fields[name] = list(values)
    if set(window.dilation) != {1}:
        fields["dilation"] = list(window.dilation[:1] if len(set(window.dilation)) == 1 else window.dilation)
    return fields
