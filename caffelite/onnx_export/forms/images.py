"""Forms of the forks' layers that move pixels about, or make images larger and smaller."""

from __future__ import annotations

import numpy as np

from caffelite.core.layers.shared.taps import Taps
from caffelite.core.layers.shared.to_places import ToPlacesLayer
from caffelite.onnx_export.form import form
from caffelite.onnx_export.forms.activations import INT64
from caffelite.onnx_export.writer import Writer

BEFORE_FIRST = -(2**31) + 1  # the end of a Slice that goes backwards
TO_THE_END = 2**31 - 1


@form("Permute", "Transpose")
def permute(writer: Writer) -> str:
    """Write Transpose."""
    return writer.op("Transpose", writer.bottom, perm=list(writer.layer.order))


@form("Reverse", "Flip")
def reverse(writer: Writer) -> str:
    """Write Slice with steps of -1."""
    axes = writer.layer.axes if writer.param.type == "Reverse" else writer.layer._axes
    if not axes:
        return writer.bottom
    last, end, back = ([number] * len(axes) for number in (-1, BEFORE_FIRST, -1))
    return writer.op("Slice", writer.bottom, *(writer.ints(*numbers) for numbers in (last, end, axes, back)))


@form("ShuffleChannel")
def shuffle_channel(writer: Writer) -> str:
    """Write groups as an axis, exchange it with that of their channels, and join them."""
    group = writer.param.shuffle_channel_param.group
    groups = writer.reshape(writer.bottom, 0, group, writer.layer.of_group, -1)
    turned = writer.op("Transpose", groups, perm=[0, 2, 1, 3])
    return writer.op("Reshape", turned, writer.op("Shape", writer.bottom))


@form("Reorg")
def reorg(writer: Writer) -> str:
    """Write parts of pixels as axes and put them in the other order."""
    stride, _, planes, height, width = writer.layer._parts
    if writer.param.reorg_param.reverse:
        parts = writer.reshape(writer.bottom, 0, stride, stride, planes, height, width)
        turned = writer.op("Transpose", parts, perm=[0, 3, 4, 1, 5, 2])
    else:
        parts = writer.reshape(writer.bottom, 0, planes, height, stride, width, stride)
        turned = writer.op("Transpose", parts, perm=[0, 3, 5, 1, 2, 4])
    return writer.reshape(turned, 0, *writer.top_shapes[0][1:])


@form("Interp")
def interp(writer: Writer) -> str:
    """Write Resize with aligned corners, to sizes that are computed when the model runs."""
    value, (before, behind) = writer.bottom, writer.layer.cut
    if before or behind:
        ends = [-behind or TO_THE_END] * 2
        value = writer.op("Slice", value, writer.ints(before, before), writer.ints(*ends), writer.ints(2, 3))
    shape = writer.op("Shape", value)
    batch = writer.op("Slice", shape, writer.ints(0), writer.ints(2))
    sizes = writer.op("Concat", batch, _wanted(writer, shape), axis=0)
    return writer.op("Resize", value, "", "", sizes, mode="linear", coordinate_transformation_mode="align_corners")


def _wanted(writer: Writer, shape: str) -> str:
    """Write height and width of the top."""
    param, two, four = writer.param.interp_param, writer.ints(2), writer.ints(4)
    if len(writer.bottoms) == 2:
        return writer.op("Slice", writer.op("Shape", writer.bottoms[1]), two, four)
    factors = [param.HasField(name) for name in ("zoom_factor", "shrink_factor")]
    if param.HasField("height") and param.HasField("width") and sum(factors) != 1:
        return writer.ints(param.height, param.width)
    one, size = writer.ints(1), writer.op("Slice", shape, two, four)
    if param.shrink_factor != 1:
        shrunk = writer.op("Div", writer.op("Sub", size, one), writer.ints(param.shrink_factor))
        size = writer.op("Add", shrunk, one)
    if param.zoom_factor != 1:
        more = writer.op("Mul", writer.op("Sub", size, one), writer.ints(param.zoom_factor - 1))
        size = writer.op("Add", size, more)
    return size


@form("Upsample")
def upsample(writer: Writer) -> str:
    """Write Resize that repeats pixels, or with a second bottom, ScatterElements to the places that it names."""
    if isinstance(writer.layer, ToPlacesLayer):
        return _at_places(writer)
    scales = writer.constant([1] * (writer.num_axes - 2) + list(writer.layer.factors))
    words = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    made = writer.op("Resize", writer.bottom, "", scales, **words)
    gain = writer.layer.gain
    return made if gain == 1 else writer.op("Mul", made, writer.constant(gain))


def _at_places(writer: Writer) -> str:
    values, places = (writer.reshape(value, -1, int(np.prod(writer.bottom_shapes[0][2:]))) for value in writer.bottoms)
    count = writer.op("Slice", writer.op("Shape", values), writer.ints(0), writer.ints(1))
    plane = writer.op("Concat", count, writer.ints(writer.layer.plane), axis=0)
    empty = writer.op("Expand", writer.constant(0), plane)
    filled = writer.op("ScatterElements", empty, writer.op("Cast", places, to=INT64), values, axis=1)
    return writer.reshape(filled, -1, *writer.top_shapes[0][1:])


@form("UnPooling", "Unpooling", "Downsample")
def resampled(writer: Writer) -> str:
    """Write the products with the two matrices of which such a layer consists; nan is not left out of means."""
    if isinstance(writer.layer, ToPlacesLayer):
        return _at_places(writer)
    layer, (height, width) = writer.layer, writer.bottom_shapes[0][2:]
    down, across = _matrix(writer, layer._down, height), _matrix(writer, layer._across, width).T
    rows = writer.op("MatMul", writer.constant(down), writer.bottom)
    return writer.op("MatMul", rows, writer.constant(across))


def _matrix(writer: Writer, taps: Taps, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return the weights of an axis; those of Downsample are of means."""
    matrix = taps.matrix(size, np.dtype(np.float64))
    if writer.param.type == "Downsample":
        matrix = matrix / taps.weight.sum(1, keepdims=True)
    return matrix.astype(np.float32)
