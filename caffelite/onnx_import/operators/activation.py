"""Functions of single values: ReLU and its kin, Clip, Power, Exp, Log, ..."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.operators.shaping import reshaped
from caffelite.onnx_import.register import operator
from caffelite.onnx_import.repeating import aligned

HIGHEST = float(np.finfo(np.float32).max)


def _one(node: Node, net: Building, type_name: str, **fields: Any) -> None:
    """Add the layer that makes the node's output of its first input."""
    net.add(node, type_name, [net.blob(node, node.input(0))], node.outputs[0], **fields)


def power(node: Node, net: Building, **fields: float) -> None:
    """Add a Power layer: (shift + scale * x) ^ power."""
    _one(node, net, "Power", power_param=fields)


@operator("Relu")
def relu(node: Node, net: Building) -> None:
    """Say Relu: max(x, 0)."""
    _one(node, net, "ReLU")


@operator("LeakyRelu")
def leaky_relu(node: Node, net: Building) -> None:
    """Say LeakyRelu: alpha * x below 0."""
    _one(node, net, "ReLU", relu_param={"negative_slope": node.get("alpha", 0.01)})


@operator("PRelu")
def p_relu(node: Node, net: Building) -> None:
    """Say PRelu: a slope for each channel, or one for all."""
    slope, shape = net.needed(node, 1, "the slope"), net.shape(node.input(0))
    if slope.size == 1 and len(shape) < 2:  # which has no channels
        _one(node, net, "ReLU", relu_param={"negative_slope": float(slope.reshape(()))})
        return
    if slope.size == 1:
        _one(node, net, "PReLU", blobs=[slope.reshape(())], prelu_param={"channel_shared": True})
        return
    if len(shape) < 2 or slope.ndim > len(shape) or aligned(slope.shape, len(shape))[1] != slope.size:
        raise node.refuse(f"input 1, the slope, has the shape {slope.shape}", "give one slope, or one for each channel")
    _one(node, net, "PReLU", blobs=[slope.reshape(-1)])


@operator("Sigmoid")
def sigmoid(node: Node, net: Building) -> None:
    """Say Sigmoid: 1 / (1 + exp(-x))."""
    _one(node, net, "Sigmoid")


@operator("Tanh")
def tanh(node: Node, net: Building) -> None:
    """Say Tanh: the hyperbolic tangent."""
    _one(node, net, "TanH")


@operator("Elu")
def elu(node: Node, net: Building) -> None:
    """Say Elu: alpha * (exp(x) - 1) below 0."""
    _one(node, net, "ELU", elu_param={"alpha": node.get("alpha", 1.0)})


@operator("Selu")
def selu(node: Node, net: Building) -> None:
    """Say Selu: gamma times an Elu."""
    alpha, gamma = node.get("alpha", 1.67326319217681884765625), node.get("gamma", 1.05070102214813232421875)
    inner = net.step(node, "elu", "ELU", [net.blob(node, node.input(0))], elu_param={"alpha": alpha})
    net.add(node, "Power", [inner], node.outputs[0], power_param={"scale": gamma})


@operator("Softplus")
def softplus(node: Node, net: Building) -> None:
    """Say Softplus: log(1 + exp(x))."""
    _one(node, net, "BNLL")


@operator("Abs")
def absolute(node: Node, net: Building) -> None:
    """Say Abs: |x|."""
    _one(node, net, "AbsVal")


@operator("Exp")
def exp(node: Node, net: Building) -> None:
    """Say Exp: e ^ x."""
    _one(node, net, "Exp")


@operator("Log")
def log(node: Node, net: Building) -> None:
    """Say Log: the natural logarithm."""
    _one(node, net, "Log")


@operator("Neg")
def neg(node: Node, net: Building) -> None:
    """Say Neg: -x."""
    power(node, net, scale=-1.0)


@operator("Sqrt")
def sqrt(node: Node, net: Building) -> None:
    """Say Sqrt: the square root."""
    power(node, net, power=0.5)


@operator("Reciprocal")
def reciprocal(node: Node, net: Building) -> None:
    """Say Reciprocal: 1 / x."""
    power(node, net, power=-1.0)


@operator("Pow")
def pow_(node: Node, net: Building) -> None:
    """Say Pow: x ^ a number."""
    exponent = net.needed(node, 1, "the exponent")
    if exponent.size != 1:
        raise node.refuse(f"input 1, the exponent, has the shape {exponent.shape}", "Caffe's Power knows one exponent")
    power(node, net, power=float(exponent.reshape(())))


@operator("Clip")
def clip(node: Node, net: Building) -> None:
    """Say Clip: values between two bounds, of which each may be left out; attributes before opset 11, inputs since."""
    low, high = (
        float(net.needed(node, index, name).reshape(())) if node.input(index) else node.get(name, default)
        for index, name, default in ((1, "min", -np.inf), (2, "max", np.inf))
    )
    clipped(node, net, net.blob(node, node.input(0)), low, high)


def clipped(node: Node, net: Building, bottom: str, low: float, high: float) -> None:
    """Add the layer that holds a blob between two bounds, of which -inf and inf are none; the upper one wins."""
    if np.isnan(low) or np.isnan(high):
        raise node.refuse(f"its bounds are {low:g} and {high:g}", "give numbers")
    low, high = (float(np.clip(bound, -HIGHEST, HIGHEST)) for bound in (min(low, high), high))
    if (low, high) == (0, HIGHEST):
        net.add(node, "ReLU", [bottom], node.outputs[0])
    else:
        net.add(node, "Clip", [bottom], node.outputs[0], clip_param={"min": low, "max": high})


@operator("HardSigmoid")
def hard_sigmoid(node: Node, net: Building) -> None:
    """Say HardSigmoid: alpha * x + beta, held between 0 and 1."""
    line = _line(node, net, node.get("alpha", 0.2), node.get("beta", 0.5))
    net.add(node, "Clip", [line], node.outputs[0], clip_param={"min": 0.0, "max": 1.0})


@operator("HardSwish")
def hard_swish(node: Node, net: Building) -> None:
    """Say HardSwish: x times its hard sigmoid."""
    line = _line(node, net, 1 / 6, 0.5)
    gate = net.step(node, "gate", "Clip", [line], clip_param={"min": 0.0, "max": 1.0})
    bottoms = [net.blob(node, node.input(0)), gate]
    net.add(node, "Eltwise", bottoms, node.outputs[0], eltwise_param={"operation": "PROD"})


def _line(node: Node, net: Building, slope: float, shift: float) -> str:
    bottom = net.blob(node, node.input(0))
    return net.step(node, "line", "Power", [bottom], power_param={"scale": slope, "shift": shift})


@operator("Swish")
def swish(node: Node, net: Building) -> None:
    """Say Swish: x * sigmoid(alpha * x)."""
    _one(node, net, "Swish", swish_param={"beta": node.get("alpha", 1.0)})


@operator("Softmax")
def softmax(node: Node, net: Building) -> None:
    """Say Softmax: exp(x) / its sum over an axis."""
    _along_axis(node, net, lambda x, axis, _: net.step(node, "", "Softmax", [x], softmax_param={"axis": axis}))


@operator("LogSoftmax")
def log_softmax(node: Node, net: Building) -> None:
    """Say LogSoftmax: x - (m - log p), of the largest x, m, with its probability p, of which the logarithm is finite.

    That of the others' need not be: exp(-110) is 0 in float32.
    """

    def made(x: str, axis: int, size: int) -> str:
        probabilities = net.step(node, "prob", "Softmax", [x], softmax_param={"axis": axis})
        largest, best = (
            net.step(node, word, "ArgMax", [blob], argmax_param={"axis": axis, "out_max_val": True})
            for word, blob in (("largest", x), ("best", probabilities))
        )
        log = net.step(node, "log", "Log", [best])
        minus = {"operation": "SUM", "coeff": [1.0, -1.0]}
        total = net.step(node, "log_of_sum", "Eltwise", [largest, log], eltwise_param=minus)
        if size != 1:
            total = net.step(node, "for_all", "Tile", [total], tile_param={"axis": axis, "tiles": size})
        return net.step(node, "", "Eltwise", [x, total], eltwise_param=minus)

    _along_axis(node, net, made)


def _along_axis(node: Node, net: Building, made: Callable[[str, int, int], str]) -> None:
    """Let `made` add layers for a blob, an axis and its size; before opset 13 the axes behind `axis` are part of it."""
    shape, blob = net.shape(node.input(0)), net.blob(node, node.input(0))
    old = net.graph.opset < 13
    axis = int(node.get("axis", 1 if old else -1)) % len(shape)
    flat = (*shape[:axis], prod(shape[axis:])) if old and set(shape[axis + 1 :]) - {1} else shape
    blob = made(reshaped(node, net, blob, shape, flat, "flat"), axis, flat[axis])
    net.hold(node.outputs[0], reshaped(node, net, blob, flat, shape, "axes"))
