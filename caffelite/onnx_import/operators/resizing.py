"""Resize and Upsample: pixels repeated a whole number of times (Deconvolution, or Upsample), or Interp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from caffelite.core.blob import Array
from caffelite.onnx_import.building import BVLC, Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.register import operator

_ROUND: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda places: np.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: np.floor(places + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


@operator("Resize", "Upsample")
def resize(node: Node, net: Building) -> None:
    """Say Resize and Upsample: the output's shape says how large. NodeError for other ways of filling in."""
    node.require("antialias", 0, fix="Caffe's layers have none; use 0")
    for attribute in ("cubic_coeff_a", "exclude_outside", "extrapolation_value", "keep_aspect_ratio_policy", "scales"):
        node.get(attribute)
    node.get("axes")
    shape, wanted, mode = net.shape(node.input(0)), net.shape(node.outputs[0]), node.get("mode", "nearest")
    if shape == wanted:
        net.same(node.outputs[0], node.input(0), node)
    elif len(shape) != 4 or shape[:2] != wanted[:2]:
        raise node.refuse(f"it makes {wanted} of {shape}", "Caffe's layers change height and width")
    elif mode == "nearest":
        _nearest(node, net)
    elif mode == "linear" and node.get("coordinate_transformation_mode") == "align_corners" and net.dialect != BVLC:
        node.get("nearest_mode")
        fields = {"height": wanted[2], "width": wanted[3]}
        net.add(node, "Interp", [net.blob(node, node.input(0))], node.outputs[0], interp_param=fields)
    else:
        how = node.get("coordinate_transformation_mode", "half_pixel")
        known = "nearest" if net.dialect == BVLC else "nearest, or linear with align_corners"
        raise node.refuse(f"attribute mode is {mode} with {how}", f"use {known}; Caffe's layers know no other")


def _nearest(node: Node, net: Building) -> None:
    (height, width), (high, wide) = net.shape(node.input(0))[2:], net.shape(node.outputs[0])[2:]
    scales = (high // height, wide // width)
    for size, made, scale in ((height, high, scales[0]), (width, wide, scales[1])):
        if made != size * scale or (_sources(node, net, size, made) != np.arange(made) // scale).any():
            raise node.refuse(
                f"it makes {made} pixels of {size} that are not each repeated as often",
                "use a whole number as scale, with asymmetric and floor",
            )
    channels, bottom = net.shape(node.input(0))[1], net.blob(node, node.input(0))
    if scales[0] == scales[1] and net.dialect != BVLC:
        net.add(node, "Upsample", [bottom], node.outputs[0], upsample_param={"scale": scales[0]})
        return
    weights = np.ones((channels, 1, *scales))
    window: dict[str, Any] = {"kernel_size": [scales[0]], "stride": [scales[0]]}
    if scales[0] != scales[1]:
        names = ("kernel_h", "kernel_w", "stride_h", "stride_w")
        window = dict(zip(names, scales * 2, strict=True))
    fields = {"num_output": channels, **window, "group": channels, "bias_term": False}
    net.add(node, "Deconvolution", [bottom], node.outputs[0], blobs=[weights], convolution_param=fields)


def _sources(node: Node, net: Building, size: int, made: int) -> Array:
    """Return which pixel of `size` each of the `made` pixels copies, as the attributes say."""
    default = "half_pixel" if net.graph.opset >= 11 and node.operator == "Resize" else "asymmetric"
    how = node.get("coordinate_transformation_mode", default)
    rounding = node.get("nearest_mode", "round_prefer_floor" if default == "half_pixel" else "floor")
    places = np.arange(made, dtype=np.float64)
    if how in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        places = (places + 0.5) * size / made - 0.5
    elif how == "align_corners":
        places = places * (size - 1) / max(made - 1, 1)
    elif how == "asymmetric":
        places = places * size / made
    else:
        raise node.refuse(f"attribute coordinate_transformation_mode is {how}", "use asymmetric")
    sources: Array = np.clip(_ROUND[rounding](places), 0, size - 1)
    return sources
