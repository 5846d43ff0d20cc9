"""Resize and Upsample: pixels repeated (Deconvolution, Upsample), picked out (Slice, Concat) or mixed, by products."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.onnx_import.building import BVLC, Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.operators.shaping import reshaped
from caffelite.onnx_import.pieces import ordered
from caffelite.onnx_import.register import operator

TIE = 1e-6  # pixels: what rounding in float32 moved so little from the middle of two lies there, to onnxruntime, too
_ROUND: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda places: np.ceil(places - 0.5 - TIE),
    "round_prefer_ceil": lambda places: np.floor(places + 0.5 + TIE),
    "floor": np.floor,
    "ceil": np.ceil,
}


@operator("Resize", "Upsample")
def resize(node: Node, net: Building) -> None:
    """Say Resize and Upsample: nearest and linear. NodeError for other ways of filling in."""
    for attribute in ("cubic_coeff_a", "exclude_outside", "extrapolation_value", "antialias", "nearest_mode", "scales"):
        node.get(attribute)
    node.get("axes")
    node.require("keep_aspect_ratio_policy", "stretch", fix="give the sizes that it makes")
    shape, wanted, scales = net.shape(node.input(0)), net.shape(node.outputs[0]), _scales(node, net)
    mode, how = node.get("mode", "nearest"), _how(node, net)
    if how == "tf_crop_and_resize":
        raise node.refuse(f"attribute coordinate_transformation_mode is {how}", "cut with a Slice, then resize")
    if shape == wanted:  # whatever the scales: so does onnxruntime
        net.same(node.outputs[0], node.input(0), node)
    elif mode == "nearest":
        _nearest(node, net, [_sources(node, net, *axis) for axis in zip(shape, wanted, scales, strict=True)])
    elif mode != "linear":
        raise node.refuse(f"attribute mode is {mode}", "use nearest or linear")
    elif node.get("antialias", 0) and any(made < size for size, made in zip(shape, wanted, strict=True)):
        raise node.refuse("attribute antialias is 1", "leave it out: without it each pixel is a mix of two")
    elif how == "align_corners" and net.dialect != BVLC and len(shape) == 4 and shape[:2] == wanted[:2]:
        fields = {"height": wanted[2], "width": wanted[3]}
        net.add(node, "Interp", [net.blob(node, node.input(0))], node.outputs[0], interp_param=fields)
    else:
        _linear(node, net, scales)


def _how(node: Node, net: Building) -> str:
    """Return how places in the result become places in the image."""
    default = "half_pixel" if net.graph.opset >= 11 and node.operator == "Resize" else "asymmetric"
    return str(node.get("coordinate_transformation_mode", default))


def _scales(node: Node, net: Building) -> Array:
    """Return the scale of each axis, of float32: as it is given, which is not always that of the sizes."""
    shape, wanted = net.shape(node.input(0)), net.shape(node.outputs[0])
    given = 2 if net.graph.opset >= 11 and node.operator == "Resize" else 1
    values = net.needed(node, given, "the scales") if node.input(given) else np.asarray(node.get("scales") or [])
    if not values.size:  # there are sizes
        return np.divide(wanted, shape).astype(np.float32)
    scales = np.ones(len(shape), np.float32)
    scales[node.get("axes") or range(len(shape))] = values
    return scales


def _nearest(node: Node, net: Building, sources: list[Array]) -> None:
    """Add the layer that repeats each pixel as often, or those that take the pixels `sources` along each axis."""
    shape, wanted, blob = net.shape(node.input(0)), net.shape(node.outputs[0]), net.blob(node, node.input(0))
    times = [made // size for made, size in zip(wanted, shape, strict=True)]
    whole = all(
        (of == np.repeat(np.arange(size), count)).all() if len(of) == size * count else False
        for of, size, count in zip(sources, shape, times, strict=True)
    )
    if not whole or len(shape) != 4 or times[:2] != [1, 1]:
        for axis, places in enumerate(sources):
            blob = ordered(node, net, blob, axis, shape[axis], places.tolist())
        net.hold(node.outputs[0], blob)
        return
    channels, scales = shape[1], times[2:]
    if scales[0] == scales[1] and net.dialect != BVLC:
        net.add(node, "Upsample", [blob], node.outputs[0], upsample_param={"scale": scales[0]})
        return
    weights = np.ones((channels, 1, *scales))
    window: dict[str, Any] = {"kernel_size": [scales[0]], "stride": [scales[0]]}
    if scales[0] != scales[1]:
        names = ("kernel_h", "kernel_w", "stride_h", "stride_w")
        window = dict(zip(names, scales * 2, strict=True))
    fields = {"num_output": channels, **window, "group": channels, "bias_term": False}
    net.add(node, "Deconvolution", [blob], node.outputs[0], blobs=[weights], convolution_param=fields)


def _linear(node: Node, net: Building, scales: Array) -> None:
    """Add a product with a matrix for each axis that it changes: its rows mix two pixels that lie side by side.

    An axis may change though its size does not: 2 pixels of a scale of 1.3 stay 2, which lie elsewhere.
    """
    shape, wanted, blob = net.shape(node.input(0)), net.shape(node.outputs[0]), net.blob(node, node.input(0))
    for axis, made in reversed(list(enumerate(wanted))):
        size = shape[axis]
        places = np.clip(_places(node, net, size, made, scales[axis]), 0, size - 1).astype(np.float64)
        first = np.minimum(places.astype(int), max(size - 2, 0))
        weights, rows = np.zeros((made, size)), np.arange(made)
        np.add.at(weights, (rows, first), 1 - (places - first))
        np.add.at(weights, (rows, np.minimum(first + 1, size - 1)), places - first)
        if np.array_equal(weights, np.eye(size)):
            continue
        blob = _product(node, net, blob, shape, axis, weights)
        shape = (*shape[:axis], made, *shape[axis + 1 :])
    net.hold(node.outputs[0], blob)


def _product(node: Node, net: Building, blob: str, shape: Shape, axis: int, weights: Array) -> str:
    """Return the blob with `weights` times what lies along an axis: InnerProduct, or a convolution of that axis."""
    made, last = len(weights), len(shape) - 1
    if axis == last:
        fields = {"num_output": made, "axis": last, "bias_term": False}
        return net.step(node, f"axis_{axis}", "InnerProduct", [blob], blobs=[weights], inner_product_param=fields)
    images = (prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]), 1)
    blob = reshaped(node, net, blob, shape, images, f"axis_{axis}_as_channels")
    conv = {"num_output": made, "kernel_size": [1], "bias_term": False}
    kernels = weights[..., np.newaxis, np.newaxis]
    blob = net.step(node, f"axis_{axis}", "Convolution", [blob], blobs=[kernels], convolution_param=conv)
    return reshaped(
        node, net, blob, (images[0], made, *images[2:]), (*shape[:axis], made, *shape[axis + 1 :]), f"{axis}"
    )


def _sources(node: Node, net: Building, size: int, made: int, scale: Any) -> Array:
    """Return which pixel of `size` each of the `made` pixels copies, reckoned in float32 as onnxruntime does."""
    old = net.graph.opset < 11 or node.operator == "Upsample"
    rounding = node.get("nearest_mode", ("ceil" if scale < 1 else "floor") if old else "round_prefer_floor")
    if rounding not in _ROUND:
        raise node.refuse(f"attribute nearest_mode is {rounding}", f"use one of {', '.join(_ROUND)}")
    places = _places(node, net, size, made, scale).astype(np.float64)
    sources: Array = np.clip(_ROUND[rounding](places), 0, size - 1).astype(int)
    return sources


def _places(node: Node, net: Building, size: int, made: int, scale: Any) -> Array:
    """Return where each of the `made` pixels lies among the `size` that there are, in float32."""
    how = _how(node, net)
    places, half = np.arange(made, dtype=np.float32), np.float32(0.5)
    if how == "align_corners":
        places = places * np.float32(size - 1) / np.float32(max(made - 1, 1))
    elif how == "asymmetric":
        places = places / scale
    elif how in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        off = np.float32(0)
        if how == "half_pixel_symmetric":
            off = np.float32(size / 2) * (1 - np.float32(made) / (scale * np.float32(size)))
        places = off + (places + half) / scale - half
        if how == "pytorch_half_pixel" and made == 1:
            places = np.zeros(1, np.float32)
    else:
        raise node.refuse(f"attribute coordinate_transformation_mode is {how}", "use asymmetric")
    return places
