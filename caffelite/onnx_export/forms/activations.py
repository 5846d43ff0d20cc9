"""Forms of the layers that compute each value by itself."""

from __future__ import annotations

from math import e, log

import numpy as np

from caffelite.onnx_export.form import form
from caffelite.onnx_export.writer import Writer

OPERATORS = {"AbsVal": "Abs", "BNLL": "Softplus", "Sigmoid": "Sigmoid", "TanH": "Tanh"}


@form(*OPERATORS)
def one_operator(writer: Writer) -> str:
    """Write the operator that is the same in ONNX."""
    return writer.op(OPERATORS[writer.param.type], writer.bottom)


@form("ReLU")
def relu(writer: Writer) -> str:
    """Write Relu, or LeakyRelu for a negative_slope."""
    slope = writer.param.relu_param.negative_slope
    return writer.op("LeakyRelu", writer.bottom, alpha=slope) if slope else writer.op("Relu", writer.bottom)


@form("ELU", "SeLu")
def elu(writer: Writer) -> str:
    """Write Elu, times the scale that forks give it."""
    made = writer.op("Elu", writer.bottom, alpha=writer.layer.function.alpha)
    return made if writer.layer.scale == 1 else writer.op("Mul", made, writer.constant(writer.layer.scale))


@form("ReLU6")
def relu6(writer: Writer) -> str:
    """Write Clip from 0 to 6, or LeakyRelu and Min."""
    slope, most = writer.param.relu6_param.negative_slope, writer.constant(6)
    if slope == 0:
        return writer.op("Clip", writer.bottom, writer.constant(0), most)
    return writer.op("Min", writer.op("LeakyRelu", writer.bottom, alpha=slope), most)


@form("BReLU")
def brelu(writer: Writer) -> str:
    """Write Clip."""
    param = writer.param.brelu_param
    return writer.op("Clip", writer.bottom, writer.constant(param.minval), writer.constant(param.maxval))


@form("PReLU")
def prelu(writer: Writer) -> str:
    """Write PRelu, its slopes in a shape that is broadcast over the axes behind the channels."""
    slopes = writer.values(0).reshape(-1, *[1] * (writer.num_axes - 2))
    return writer.op("PRelu", writer.bottom, writer.constant(slopes))


@form("Clip")
def clip(writer: Writer) -> str:
    """Write Clip; a min above max, of which ONNX says nothing, makes all values min."""
    param = writer.param.clip_param
    least, most = (writer.constant(bound) for bound in (param.min, param.max))
    if param.min <= param.max:
        return writer.op("Clip", writer.bottom, least, most)
    return writer.op("Max", writer.op("Min", writer.bottom, most), least)


@form("Swish")
def swish(writer: Writer) -> str:
    """Write x * sigmoid(beta * x)."""
    beta = writer.param.swish_param.beta
    inner = writer.bottom if beta == 1 else writer.op("Mul", writer.bottom, writer.constant(beta))
    return writer.op("Mul", writer.bottom, writer.op("Sigmoid", inner))


@form("Threshold")
def threshold(writer: Writer) -> str:
    """Write x > threshold as a number."""
    limit = writer.constant(writer.param.threshold_param.threshold)
    return writer.op("Cast", writer.op("Greater", writer.bottom, limit), to=FLOAT)


@form("Power")
def power(writer: Writer) -> str:
    """Write (shift + scale * x) ** power."""
    param = writer.param.power_param
    base = linear(writer, writer.bottom, param.scale, param.shift)
    if param.power == 1:
        return base
    if param.power == 2:
        return writer.op("Mul", base, base)
    return writer.op("Pow", base, writer.constant(param.power))


@form("Exp")
def exp(writer: Writer) -> str:
    """Write e ** (log(base) * (shift + scale * x))."""
    param = writer.param.exp_param
    factor = log(param.base if param.base != -1 else e)
    return writer.op("Exp", linear(writer, writer.bottom, factor * param.scale, factor * param.shift))


@form("Log")
def logarithm(writer: Writer) -> str:
    """Write log(shift + scale * x) / log(base)."""
    param = writer.param.log_param
    made = writer.op("Log", linear(writer, writer.bottom, param.scale, param.shift))
    return made if param.base == -1 else writer.op("Mul", made, writer.constant(1 / log(param.base)))


@form("Split", "SpatialDropout")
def passed_on(writer: Writer) -> list[str]:
    """Pass the values on, which is what a dropout does in TEST."""
    return [writer.bottom] * len(writer.top_shapes)


@form("Dropout")
def dropout(writer: Writer) -> str:
    """Pass the values on, or multiply them where TRAIN did not."""
    if writer.layer.drops:
        raise writer.error("dropout_param.sample_weights_test", "true", "a model makes no random numbers; leave it out")
    factor = writer.layer.factor
    return writer.bottom if factor == 1 else writer.op("Mul", writer.bottom, writer.constant(factor))


@form("Silence")
def silence(writer: Writer) -> list[str]:
    """Write nothing: what nobody reads is left out."""
    return []


FLOAT = 1  # ONNX's number for float32
INT64 = 7


def linear(writer: Writer, value: str, scale: float, shift: float) -> str:
    """Write scale * value + shift, without what changes nothing."""
    if scale != 1:
        value = writer.op("Mul", value, writer.constant(np.float32(scale)))
    return writer.op("Add", value, writer.constant(np.float32(shift))) if shift else value
