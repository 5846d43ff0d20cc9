"""InnerProduct, Embed, Parameter, Scale, Bias and Eltwise: products with weights or with other blobs."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.layers.bias import BiasLayer
from caffelite.core.layers.eltwise import EltwiseMaxLayer, EltwiseProdLayer, EltwiseSumLayer
from caffelite.core.layers.embed import EmbedLayer
from caffelite.core.layers.inner_product import InnerProductLayer
from caffelite.core.layers.parameter import ParameterLayer
from caffelite.core.layers.scale import ScaleLayer
from caffelite.inspection.why.terms import (
    At,
    Terms,
    channel_places,
    gradient_of,
    param_gradient_of,
    parameter,
    read,
    sent,
    sent_times,
    value_of,
    weighted,
)


@value_of(InnerProductLayer)
def _inner_product(at: At, top: int, place: int) -> list[Terms]:
    item, output = divmod(place, at.layer.num_output)
    size = at.layer.item_count
    found = [weighted(at, read(at, 0, item * size + np.arange(size)), 0, _weights(at, output, np.arange(size)))]
    if at.layer.bias_term:
        found.append(parameter(at, 1, output, "bias"))
    return found


@gradient_of(InnerProductLayer)
def _inner_product_back(at: At, bottom: int, place: int) -> list[Terms]:
    item, number = divmod(place, at.layer.item_count)
    outputs = np.arange(at.layer.num_output)
    return [weighted(at, sent(at, 0, item * len(outputs) + outputs), 0, _weights(at, outputs, number))]


@param_gradient_of(InnerProductLayer)
def _inner_product_param(at: At, number: int, place: int) -> list[Terms]:
    outputs, size = at.layer.num_output, at.layer.item_count
    items = np.arange(prod(at.top_shape(0)) // outputs)
    if number == 1:
        return [sent(at, 0, items * outputs + place)]
    of_input, of_output = divmod(place, outputs) if at.layer.transpose else divmod(place, size)[::-1]
    return [sent_times(at, 0, items * outputs + of_output, 0, items * size + of_input)]


def _weights(at: At, outputs: Any, inputs: Any) -> Array:
    """Return the flat indices of weights."""
    if at.layer.transpose:
        return np.asarray(inputs * at.layer.num_output + outputs)
    return np.asarray(outputs * at.layer.item_count + inputs)


@value_of(EmbedLayer)
def _embed(at: At, top: int, place: int) -> list[Terms]:
    param = at.layer.layer_param.embed_param
    position, output = divmod(place, param.num_output)
    row = int(at.bottom(0, np.array([position]))[0])
    found = [parameter(at, 0, row * param.num_output + output, f"row {row}")]
    if param.bias_term:
        found.append(parameter(at, 1, output, "bias"))
    return found


@param_gradient_of(EmbedLayer)
def _embed_param(at: At, number: int, place: int) -> list[Terms]:
    outputs = at.layer.layer_param.embed_param.num_output
    positions = np.arange(prod(at.bottom_shape(0)))
    if number == 1:
        return [sent(at, 0, positions * outputs + place)]
    row, output = divmod(place, outputs)
    return [sent(at, 0, positions[at.bottom(0, positions).astype(np.int64) == row] * outputs + output)]


@param_gradient_of(ParameterLayer)
def _parameter_param(at: At, number: int, place: int) -> list[Terms]:
    return [sent(at, 0, place)]


@value_of(ParameterLayer)
def _parameter(at: At, top: int, place: int) -> list[Terms]:
    return [parameter(at, 0, place)]


@value_of(ScaleLayer)
def _scale(at: At, top: int, place: int) -> list[Terms]:
    operand = _operand_place(at, place)
    found = [_times_operand(at, read(at, 0, place), operand)]
    if at.layer.layer_param.scale_param.bias_term:
        found.append(parameter(at, len(at.layer.blobs) - 1, operand, "bias"))
    return found


@gradient_of(ScaleLayer)
def _scale_back(at: At, bottom: int, place: int) -> list[Terms]:
    if bottom == 0:
        return [_times_operand(at, sent(at, 0, place), _operand_place(at, place))]
    places = _places_of_operand(at, place)
    return [sent(at, 0, places, at.bottom(0, places), "bottom[0]")]


@param_gradient_of(ScaleLayer)
def _scale_param(at: At, number: int, place: int) -> list[Terms]:
    places = _places_of_operand(at, place)
    is_bias = at.layer.layer_param.scale_param.bias_term and number == len(at.layer.blobs) - 1
    return [sent(at, 0, places) if is_bias else sent_times(at, 0, places, 0, places)]


def _times_operand(at: At, terms: Terms, operand: int) -> Terms:
    if at.num_bottoms() == 1:
        return weighted(at, terms, 0, np.array([operand]))
    factor = at.bottom(1, np.array([operand]))
    return Terms(factor * terms.values, terms.role, 0, terms.places, terms.inputs, factor, text="bottom[1]")


@value_of(BiasLayer)
def _bias(at: At, top: int, place: int) -> list[Terms]:
    operand = _operand_place(at, place)
    other = parameter(at, 0, operand, "bias") if at.num_bottoms() == 1 else read(at, 1, operand)
    return [read(at, 0, place), other]


@gradient_of(BiasLayer)
def _bias_back(at: At, bottom: int, place: int) -> list[Terms]:
    return [sent(at, 0, place if bottom == 0 else _places_of_operand(at, place))]


@param_gradient_of(BiasLayer)
def _bias_param(at: At, number: int, place: int) -> list[Terms]:
    return [sent(at, 0, _places_of_operand(at, place))]


def _operand_place(at: At, place: int) -> int:
    """Return which value of the scale or bias meets a value of bottom[0]."""
    _, size, inner = at.layer._around
    return int(place // inner % size)


def _places_of_operand(at: At, operand: int) -> Array:
    """Return which values of bottom[0] a value of the scale or bias meets."""
    return channel_places(at.layer._around, operand)


@value_of(EltwiseSumLayer)
def _sum(at: At, top: int, place: int) -> list[Terms]:
    return [read(at, number, place, coeff, "coeff") for number, coeff in enumerate(at.layer.coeff)]


@gradient_of(EltwiseSumLayer)
def _sum_back(at: At, bottom: int, place: int) -> list[Terms]:
    return [sent(at, 0, place, at.layer.coeff[bottom], "coeff")]


@value_of(EltwiseProdLayer)
def _product(at: At, top: int, place: int) -> list[Terms]:
    return [read(at, 0, place, _others(at, 0, place), "product of the other bottoms")]


@gradient_of(EltwiseProdLayer)
def _product_back(at: At, bottom: int, place: int) -> list[Terms]:
    return [sent(at, 0, place, _others(at, bottom, place), "product of the other bottoms")]


def _others(at: At, number: int, place: int) -> float:
    numbers = [other for other in range(at.num_bottoms()) if other != number]
    return prod(float(at.bottom(other, np.array([place]))[0]) for other in numbers)


@value_of(EltwiseMaxLayer)
def _largest(at: At, top: int, place: int) -> list[Terms]:
    return [read(at, int(at.layer.winner.reshape(-1)[place]), place, text="the largest")]


@gradient_of(EltwiseMaxLayer)
def _largest_back(at: At, bottom: int, place: int) -> list[Terms]:
    won = at.layer.winner.reshape(-1)[place] == bottom
    return [sent(at, 0, place, text="it was the largest")] if won else []
