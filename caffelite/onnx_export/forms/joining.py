"""Forms of the layers that put blobs together and take them apart."""

from __future__ import annotations

import numpy as np

from caffelite.onnx_export.form import form
from caffelite.onnx_export.forms.activations import INT64
from caffelite.onnx_export.writer import Writer
from caffelite.proto.caffe_pb2 import EltwiseParameter


@form("Concat")
def concat(writer: Writer) -> str:
    """Write Concat; of one blob nothing."""
    if len(writer.bottoms) == 1:
        return writer.bottom
    return writer.op("Concat", *writer.bottoms, axis=writer.layer.axis)


@form("Slice")
def slice_(writer: Writer) -> list[str]:
    """Write Split with the sizes of the parts."""
    axis = writer.layer.axis
    if len(writer.top_shapes) == 1:
        return [writer.bottom]
    sizes = writer.ints(*(shape[axis] for shape in writer.top_shapes))
    return writer.ops_of("Split", [writer.bottom, sizes], len(writer.top_shapes), axis=axis)


@form("Eltwise")
def eltwise(writer: Writer) -> str:
    """Write Sum, Mul or Max, each bottom of a sum times its coeff."""
    param = writer.param.eltwise_param
    if param.operation == EltwiseParameter.MAX:
        return writer.op("Max", *writer.bottoms)
    operator, values = "Mul", list(writer.bottoms)
    if param.operation == EltwiseParameter.SUM:
        operator = "Add"
        values = [
            value if coeff == 1 else writer.op("Mul", value, writer.constant(coeff))
            for value, coeff in zip(values, writer.layer.coeff, strict=True)
        ]
    made = values[0]
    for value in values[1:]:
        made = writer.op(operator, made, value)
    return made


@form("Tile")
def tile(writer: Writer) -> str:
    """Write Tile."""
    param = writer.param.tile_param
    repeats = np.ones(writer.num_axes, np.int64)
    repeats[param.axis] = param.tiles
    return writer.op("Tile", writer.bottom, writer.ints(*repeats))


@form("Crop")
def crop(writer: Writer) -> str:
    """Write Slice from the offsets on; sizes that are those of bottom[1] are asked for when the model runs."""
    axis = writer.param.crop_param.axis % writer.num_axes
    offsets = list(writer.param.crop_param.offset) or [0]
    offsets = offsets * (writer.num_axes - axis) if len(offsets) == 1 else offsets
    starts = writer.ints(*offsets)
    axes = range(axis, writer.num_axes)
    sizes = writer.op("Shape", writer.bottoms[1])
    wanted = writer.op("Slice", sizes, writer.ints(axis), writer.ints(writer.num_axes))
    ends = writer.op("Add", wanted, starts) if any(offsets) else wanted
    return writer.op("Slice", writer.bottom, starts, ends, writer.ints(*axes))


@form("BatchReindex")
def batch_reindex(writer: Writer) -> str:
    """Write Gather of items."""
    return writer.op("Gather", writer.bottom, writer.op("Cast", writer.bottoms[1], to=INT64), axis=0)


@form("Filter")
def filter_(writer: Writer) -> list[str]:
    """Write Compress of each bottom by the selector, where that is not 0."""
    flat = writer.reshape(writer.bottoms[-1], -1)
    chosen = writer.op("Not", writer.op("Equal", flat, writer.constant(0)))
    for top in range(len(writer.top_shapes)):
        writer.loosen(top, 0)
    return [writer.op("Compress", value, chosen, axis=0) for value in writer.bottoms[:-1]]
