"""Where the pixels of one top lie in another, and crops that align them. Source: python/caffe/coord_map.py.

A map (axis, scale, shift) leads from the coordinates of a top to those of one before it: x_before = scale * x + shift,
for `axis` and those behind it, `scale` and `shift` being arrays of a number for each of these axes, or of one for all.
An axis of None stands for a layer that leaves coordinates as they are. Tops are those of caffelite.layers; no net is
built.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import CaffeliteError
from caffelite.core.type_names import DEPTHWISE
from caffelite.net_spec import Function, Top, layers

PASS_THROUGH_LAYERS = [
    "AbsVal",
    "BatchNorm",
    "BN",
    "Bias",
    "BNLL",
    "Dropout",
    "Eltwise",
    "ELU",
    "Log",
    "LRN",
    "Exp",
    "MVN",
    "Power",
    "ReLU",
    "PReLU",
    "Scale",
    "SeLu",
    "Sigmoid",
    "SpatialDropout",
    "Split",
    "TanH",
    "Threshold",
]
WINDOWS = ("Convolution", *DEPTHWISE, "Pooling", "Im2col")
FOR_HEIGHT_AND_WIDTH = ("pad_h", "pad_w", "kernel_h", "kernel_w", "stride_h", "stride_w")

Map = tuple[int | None, Any, Any]


class UndefinedMapException(CaffeliteError):
    """A layer whose coordinates have no fixed place in its bottom: InnerProduct, global pooling, data, ..."""


class AxisMismatchException(CaffeliteError):
    """Maps of coordinates that begin at different axes."""


class UnmappedError(CaffeliteError, AssertionError):
    """Parameters from which no map, or maps from which no crop, can be made; an AssertionError as in pycaffe."""


def conv_params(fn: Function) -> tuple[int, Array, Array, Array]:
    """Return axis, stride, kernel size (with dilation) and pad of a layer with a window; all but axis are arrays (N).

    They are read from keywords, or the dict convolution_param (or pooling_param). Raises UnmappedError for kernel_h
    and its like, KeyError without kernel_size.
    """
    params = fn.params.get("convolution_param", fn.params.get("pooling_param", fn.params))
    if given := [name for name in FOR_HEIGHT_AND_WIDTH if name in params or name in fn.params]:
        raise UnmappedError(
            f"{fn.type_name}: {', '.join(given)} cannot be mapped; write kernel_size, stride and pad, or lists"
        )
    kernel = np.array(params["kernel_size"], ndmin=1)
    dilation = np.array(params.get("dilation", 1), ndmin=1)
    return (
        params.get("axis", 1),
        np.array(params.get("stride", 1), ndmin=1),
        (kernel - 1) * dilation + 1,
        np.array(params.get("pad", 0), ndmin=1),
    )


def crop_params(fn: Function) -> tuple[int, Array]:
    """Return axis and offset, an array (N), of a Crop layer."""
    params = fn.params.get("crop_param", fn.params)
    return params.get("axis", 2), np.array(params.get("offset", 0), ndmin=1)


def coord_map(fn: Function) -> Map:
    """Return the map from a layer's top to its (first) bottom; UndefinedMapException if there is none."""
    if fn.type_name in WINDOWS and not _is_global(fn):
        axis, stride, kernel, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (kernel - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, kernel, pad = conv_params(fn)
        return axis, stride, (kernel - 1) / 2 - pad
    if fn.type_name in PASS_THROUGH_LAYERS:
        return None, 1, 0
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset  # the last axis that is not cropped, as a convolution's
    kind = "global Pooling" if fn.type_name == "Pooling" else fn.type_name
    raise UndefinedMapException(f"coordinates do not pass through {kind}")


def _is_global(fn: Function) -> bool:
    return bool(fn.params.get("pooling_param", fn.params).get("global_pooling", False))


def compose(base_map: Map, next_map: Map) -> Map:
    """Return the map that does `next_map`, then `base_map`; AxisMismatchException for maps of different axes."""
    base_axis, base_scale, base_shift = base_map
    next_axis, next_scale, next_shift = next_map
    if None not in (base_axis, next_axis) and base_axis != next_axis:
        raise AxisMismatchException(f"one map begins at axis {base_axis}, the other at axis {next_axis}")
    axis = next_axis if base_axis is None else base_axis
    return axis, base_scale * next_scale, base_scale * next_shift + base_shift


def inverse(coord_map: Map) -> Map:
    """Return the map that leads back."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """Return the map from `top_to` to `top_from`, two tops that come from one by layers that have maps.

    Of a Crop only the first bottom counts. Raises CaffeliteError, a RuntimeError, if there is no such top.
    """
    from_maps = _maps_to_before(top_from)
    for top, to_map in _maps_to_before(top_to).items():
        if top in from_maps:
            return compose(to_map, inverse(from_maps[top]))
    raise CaffeliteError("Could not compute map between tops; are they connected by spatial layers?")


def _maps_to_before(last: Top) -> dict[Top, Map]:
    """Return the maps from a top to itself and to all that it is made of, the nearest first."""
    maps: dict[Top, Map] = {last: (None, 1, 0)}
    waiting = deque([last])
    while waiting:
        top = waiting.popleft()
        inputs = top.fn.inputs[:1] if top.fn.type_name == "Crop" else top.fn.inputs
        bottoms = [bottom for bottom in inputs if bottom not in maps]
        if not bottoms:  # a layer of type Input has no map either
            continue
        try:
            step = coord_map(top.fn)
        except UndefinedMapException:
            continue
        for bottom in bottoms:
            maps[bottom] = compose(maps[top], step)
            waiting.append(bottom)
    return maps


def crop(top_from: Top, top_to: Top) -> Top:
    """Return a Crop of `top_from` to the size of `top_to`, with the offset that aligns them.

    Raises UnmappedError, an AssertionError, where they differ in scale or the offset is negative or no whole number.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    if not np.allclose(scale, 1, rtol=1e-9):  # 1 / 49 * 49 is not 1
        raise UnmappedError(f"scale mismatch on crop (a = {scale})")
    if np.any(np.greater(shift, 0)):
        raise UnmappedError(f"cannot crop negative offset (b = {shift})")
    if not np.allclose(shift, np.round(shift), rtol=0, atol=1e-9):
        raise UnmappedError(f"cannot crop noninteger offset (b = {shift})")
    offset = [-int(value) for value in np.round(np.ravel(shift))]
    cropped: Top = layers.Crop(top_from, top_to, crop_param=dict(axis=2 if axis is None else axis + 1, offset=offset))
    return cropped
