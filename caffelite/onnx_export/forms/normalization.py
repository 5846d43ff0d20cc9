"""Forms of the layers that normalize, and of the learned scales and sums behind them."""

from __future__ import annotations

from caffelite.core.layers.normalize_by_pixel import EPS, NormalizeByPixelLayer
from caffelite.onnx_export.form import form
from caffelite.onnx_export.writer import Writer
from caffelite.proto.caffe_pb2 import LRNParameter


@form("Normalize")
def normalize(writer: Writer) -> str | list[str]:
    """Write x over the root of the sum of squares, times the scale; or over the length of each pixel."""
    if isinstance(writer.layer, NormalizeByPixelLayer):
        return _by_pixel(writer)
    param, behind = writer.param.norm_param, [1] * (writer.num_axes - 2)
    axes = list(range(1, writer.num_axes)) if param.across_spatial else [1]
    squares = writer.op("ReduceSumSquare", writer.bottom, axes=axes, keepdims=1)
    length = writer.op("Sqrt", writer.op("Add", squares, writer.constant(param.eps)))
    scale = writer.values(0) if param.channel_shared else writer.values(0).reshape(-1, *behind)
    return writer.op("Mul", writer.op("Div", writer.bottom, length), writer.constant(scale))


def _by_pixel(writer: Writer) -> list[str]:
    operator = "ReduceSumSquare" if writer.layer.squares else "ReduceL1"
    total = writer.op("Add", writer.op(operator, writer.bottom, axes=[1], keepdims=1), writer.constant(EPS))
    length = writer.op("Sqrt", total) if writer.layer.squares else total
    return [writer.op("Div", writer.bottom, length), length][: len(writer.top_shapes)]


@form("Axpy")
def axpy(writer: Writer) -> str:
    """Write Mul and Add."""
    scale = writer.reshape(writer.bottoms[0], 0, 0, *[1] * (len(writer.bottom_shapes[1]) - 2))
    return writer.op("Add", writer.op("Mul", scale, writer.bottoms[1]), writer.bottoms[2])


@form("MVN")
def mvn(writer: Writer) -> str:
    """Write (x - mean) / (deviation + eps) on four axes, which is what the layer makes of fewer."""
    param = writer.param.mvn_param
    value = writer.bottom
    if writer.layer.axes_before != writer.num_axes:
        top = f'"{writer.param.top[0]}", which the bottom is, too'
        raise writer.error("top", top, f"of {writer.layer.axes_before} axes it makes 4, so give it a top of its own")
    missing = 4 - writer.num_axes
    if missing:
        value = writer.op("Unsqueeze", value, writer.ints(*range(writer.num_axes, 4)))
    axes = [1, 2, 3] if param.across_channels else [2, 3]
    centred = writer.op("Sub", value, writer.op("ReduceMean", value, axes=axes, keepdims=1))
    if not param.normalize_variance:
        return centred
    variance = writer.op("ReduceMean", writer.op("Mul", centred, centred), axes=axes, keepdims=1)
    deviation = writer.op("Add", writer.op("Sqrt", variance), writer.constant(param.eps))
    return writer.op("Div", centred, deviation)


@form("Scale")
def scale(writer: Writer) -> str:
    """Write Mul, and Add of the bias."""
    param = writer.param.scale_param
    if len(writer.bottoms) == 2:
        made = _broadcast(writer, "Mul", param.axis, writer.bottoms[1])
        writer.fix(writer.bottom_shapes[1] if param.bias_term else ())  # the bias is as large
    else:
        made = _learned(writer, "Mul", writer.bottom, param.axis, 0)
    if not param.bias_term:
        return made
    return _learned(writer, "Add", made, param.axis, len(writer.layer.blobs) - 1)


@form("Bias")
def bias(writer: Writer) -> str:
    """Write Add."""
    axis = writer.param.bias_param.axis
    if len(writer.bottoms) == 2:
        return _broadcast(writer, "Add", axis, writer.bottoms[1])
    return _learned(writer, "Add", writer.bottom, axis, 0)


def _behind(writer: Writer, axis: int, operand_axes: int) -> int:
    """Return how many axes stand behind those of an operand that begins at `axis`."""
    start = axis % writer.num_axes if operand_axes else 0
    return writer.num_axes - start - operand_axes if operand_axes else 0


def _learned(writer: Writer, operator: str, value: str, axis: int, number: int) -> str:
    """Write the operator with a parameter, in the shape that ONNX broadcasts."""
    values = writer.values(number)
    behind = _behind(writer, axis, values.ndim)
    name = writer.constant(values.reshape(*values.shape, *[1] * behind)) if behind else writer.weight(number)
    return writer.op(operator, value, name)


def _broadcast(writer: Writer, operator: str, axis: int, operand: str) -> str:
    """Write the operator with another blob."""
    axes = len(writer.bottom_shapes[1])
    behind = _behind(writer, axis, axes)
    if behind:
        operand = writer.op("Unsqueeze", operand, writer.ints(*range(axes, axes + behind)))
    return writer.op(operator, writer.bottom, operand)


@form("LRN")
def lrn(writer: Writer) -> str:
    """Write LRN; within a channel, the mean of squares over a window."""
    param = writer.param.lrn_param
    if param.norm_region == LRNParameter.ACROSS_CHANNELS:
        size = param.local_size
        return writer.op("LRN", writer.bottom, size=size, alpha=param.alpha, beta=param.beta, bias=param.k)
    pad, size = (param.local_size - 1) // 2, param.local_size
    squares = writer.op("Mul", writer.bottom, writer.bottom)
    window = {"kernel_shape": [size, size], "strides": [1, 1], "pads": [pad] * 4, "count_include_pad": 1}
    mean = writer.op("AveragePool", squares, **window)
    base = writer.op("Add", writer.op("Mul", mean, writer.constant(param.alpha)), writer.constant(1))
    return writer.op("Mul", writer.bottom, writer.op("Pow", base, writer.constant(-param.beta)))


@form("Softmax")
def softmax(writer: Writer) -> str:
    """Write Softmax."""
    return writer.op("Softmax", writer.bottom, axis=writer.param.softmax_param.axis % writer.num_axes)
