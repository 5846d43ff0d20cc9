"""Make what multiplies and adds by channel (BatchNorm, Scale, Bias) part of the product before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.onnx_export.graph import Graph, Op


class Affine(NamedTuple):
    """y = factor * x + shift: one number a channel, or one for all."""

    factor: Array
    shift: Array


def fold(graph: Graph) -> None:
    """Fold every BatchNormalization, Mul and Add by constants into the operator that makes what it reads.

    That is a Conv, ConvTranspose, Gemm or another BatchNormalization, whose values nobody else reads. Blobs in between
    go; the last one keeps its name.
    """
    makers = {output: op for op in graph.ops for output in op.outputs}
    for op in list(graph.ops):
        maker = makers.get(op.inputs[0]) if op.inputs else None
        if maker is None or maker.type not in FOLDS or graph.readers(maker.outputs[0]) != 1:
            continue
        values = graph.values()
        affine = _affine_of(op, values, _axes(graph, maker, op, values))
        if affine is None or not all(name in values for name in maker.inputs[1:]):
            continue
        FOLDS[maker.type](graph, maker, affine)
        graph.dims.pop(maker.outputs[0], None)
        graph.shapes.pop(maker.outputs[0], None)
        maker.outputs = list(op.outputs)
        makers[op.outputs[0]] = maker
        graph.ops = [other for other in graph.ops if other is not op]
    graph.drop_unread()


def _axes(graph: Graph, maker: Op, op: Op, values: dict[str, Array]) -> int:
    """Return how many axes an operator's values have; 0 if that is not known."""
    if maker.type in ("Conv", "ConvTranspose"):
        return values[maker.inputs[1]].ndim if maker.inputs[1] in values else 0
    known = [graph.shapes[name] for name in (*maker.outputs, *op.outputs) if name in graph.shapes]
    return 2 if maker.type == "Gemm" else len(known[0]) if known else 0


def _affine_of(op: Op, values: dict[str, Array], axes: int) -> Affine | None:
    """Return what an operator does to each channel, None if it is not of that kind."""
    constants = [values.get(name) for name in op.inputs[1:]]
    if op.type == "BatchNormalization":
        scale, bias, mean, variance = (np.asarray(array, np.float64) for array in constants)
        factor = scale / np.sqrt(variance + op.attributes["epsilon"])
        return Affine(factor, bias - factor * mean)
    if op.type not in ("Mul", "Add") or constants[0] is None or not _is_by_channel(constants[0], axes):
        return None
    operand = constants[0].astype(np.float64).reshape(-1)
    one, zero = np.ones(1), np.zeros(1)
    return Affine(operand, zero) if op.type == "Mul" else Affine(one, operand)


def _is_by_channel(operand: Array, axes: int) -> bool:
    """Whether an operand is broadcast along axis 1 alone, of values with so many axes."""
    by_channel = operand.ndim == axes - 1 and operand.size == operand.shape[0]
    return operand.size == 1 and operand.ndim <= max(axes, 1) or by_channel


def _fold_into_product(graph: Graph, maker: Op, affine: Affine) -> None:
    weight = graph.values()[maker.inputs[1]]
    channels, in_rows = _channels(maker, weight)
    factor, shift = (np.broadcast_to(part, channels) for part in affine)
    _put(graph, maker, 1, in_rows(weight.astype(np.float64), factor))
    bias = graph.values()[maker.inputs[2]] if len(maker.inputs) > 2 else np.zeros(channels)
    _put(graph, maker, 2, factor * bias + shift)


def _channels(maker: Op, weight: Array) -> tuple[int, Callable[[Array, Array], Array]]:
    """Return the number of output channels, and what multiplies the weights of each by a factor."""
    if maker.type == "ConvTranspose":
        group = maker.attributes["group"]
        rest = (1,) * (weight.ndim - 2)

        def by_column(values: Array, factor: Array) -> Array:
            split = values.reshape(group, -1, *values.shape[1:])
            made: Array = split * factor.reshape(group, 1, -1, *rest)
            return made.reshape(values.shape)

        return weight.shape[1] * group, by_column
    if maker.type == "Gemm" and not maker.attributes.get("transB"):
        return weight.shape[1], lambda values, factor: values * factor
    return weight.shape[0], lambda values, factor: (values.T * factor).T


def _fold_into_batch_norm(graph: Graph, maker: Op, affine: Affine) -> None:
    values = graph.values()
    _put(graph, maker, 2, values[maker.inputs[2]] * affine.factor + affine.shift)
    _put(graph, maker, 1, values[maker.inputs[1]] * affine.factor)


def _put(graph: Graph, maker: Op, number: int, values: Array) -> None:
    """Let an operator read these values; another that reads what it read before still does."""
    if number == len(maker.inputs):
        maker.inputs.append(graph.new_name(f"{maker.name}.{number - 1}"))
    name = maker.inputs[number]
    if graph.readers(name) > 1 or name in graph.constants:
        name = maker.inputs[number] = graph.new_name(f"{maker.name}/folded_{number}")
    graph.weights[name] = np.ascontiguousarray(values, np.float32)


FOLDS: dict[str, Callable[[Graph, Op, Affine], None]] = {
    "Conv": _fold_into_product,
    "ConvTranspose": _fold_into_product,
    "Gemm": _fold_into_product,
    "BatchNormalization": _fold_into_batch_norm,
}
