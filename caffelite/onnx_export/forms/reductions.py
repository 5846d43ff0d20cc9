"""Forms of the layers that make few numbers of many: Reduction, ArgMax, SPP; and Im2col, which copies them."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.onnx_export.form import form
from caffelite.onnx_export.forms.activations import FLOAT
from caffelite.onnx_export.forms.convolution import attributes_of, with_room
from caffelite.onnx_export.forms.pooling import pooling
from caffelite.onnx_export.writer import Writer
from caffelite.proto.caffe_pb2 import ReductionParameter

REDUCTIONS = {
    ReductionParameter.ASUM: "ReduceL1",
    ReductionParameter.SUMSQ: "ReduceSumSquare",
    ReductionParameter.MEAN: "ReduceMean",
}


@form("Reduction")
def reduction(writer: Writer) -> str:
    """Write the reduction over all axes from `axis` on, times coeff."""
    param = writer.param.reduction_param
    axes = list(range(param.axis % writer.num_axes, writer.num_axes))
    if param.operation == ReductionParameter.SUM:
        made = writer.op("ReduceSum", writer.bottom, writer.ints(*axes), keepdims=0)
    else:
        made = writer.op(REDUCTIONS[param.operation], writer.bottom, axes=axes, keepdims=0)
    return made if param.coeff == 1 else writer.op("Mul", made, writer.constant(param.coeff))


@form("ArgMax")
def arg_max(writer: Writer) -> str:
    """Write ArgMax, which takes the last of equal values, or TopK from the end of the axis."""
    param, axis = writer.param.argmax_param, writer.layer.axis
    value = writer.bottom if axis is not None or writer.num_axes == 2 else writer.op("Flatten", writer.bottom, axis=1)
    along = 1 if axis is None else axis
    places, values = _largest(writer, value, along)
    if axis is not None:
        return values if param.out_max_val else places
    rows = [places, values] if param.out_max_val else [places]
    rows = [writer.op("Unsqueeze", row, writer.ints(1)) for row in rows]
    made = writer.op("Concat", *rows, axis=1) if len(rows) > 1 else rows[0]
    ones = range(3, len(writer.top_shapes[0]))
    return writer.op("Unsqueeze", made, writer.ints(*ones)) if ones else made


def _largest(writer: Writer, value: str, axis: int) -> tuple[str, str]:
    """Write places, as floats, and values of the largest along an axis."""
    param, size = writer.param.argmax_param, writer.layer.around[1]
    if param.top_k == 1:
        places = writer.op("ArgMax", value, axis=axis, keepdims=1, select_last_index=1)
        values = writer.op("ReduceMax", value, axes=[axis], keepdims=1)
        return writer.op("Cast", places, to=FLOAT), values
    last, before_first, backwards = writer.ints(-1), writer.ints(-size - 1), writer.ints(-1)
    turned = writer.op("Slice", value, last, before_first, writer.ints(axis), backwards)
    values, places = writer.ops_of("TopK", [turned, writer.ints(param.top_k)], 2, axis=axis)
    from_end = writer.op("Sub", writer.constant(size - 1), writer.op("Cast", places, to=FLOAT))
    return from_end, values


@form("SPP")
def spp(writer: Writer) -> str:
    """Write a pooling operator for each level, and Concat of what they make."""
    levels = []
    for level, blob in zip(writer.layer._levels, writer.layer._pooled, strict=True):
        of_level = writer.of_layer(level, [blob.shape])
        made = pooling(of_level)
        assert isinstance(made, str)
        levels.append(made)
    if len(levels) == 1:
        return levels[0]
    return writer.op("Concat", *(writer.op("Flatten", level, axis=1) for level in levels), axis=1)


@form("Im2col")
def im2col(writer: Writer) -> str:
    """Write Conv with kernels of a single 1: each tap of the window makes a channel."""
    window, channels = writer.layer.window, writer.layer.image_shape[0]
    axis = writer.num_axes - 1 - len(window.kernel)
    taps = prod(window.kernel)
    weights = np.tile(np.eye(taps), (channels, 1)).reshape(channels * taps, 1, *window.kernel)
    value = writer.bottom if axis == 1 else writer.reshape(writer.bottom, -1, *writer.bottom_shapes[0][axis:])
    value = with_room(writer, value, window, writer.bottom_shapes[0][axis + 1 :])
    made = writer.op("Conv", value, writer.constant(weights), group=channels, **attributes_of(window))
    return made if axis == 1 else writer.reshape(made, *writer.top_shapes[0])
