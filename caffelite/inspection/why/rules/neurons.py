"""Layers that make each value of the one at the same place of the bottom: the gradient is multiplied by the slope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.kernels.dropout import dropout
from caffelite.core.layer import Layer
from caffelite.core.layers.abs_val import AbsValLayer
from caffelite.core.layers.bnll import BNLLLayer
from caffelite.core.layers.clip import ClipLayer
from caffelite.core.layers.dropout import DropoutLayer
from caffelite.core.layers.elu import ELULayer, scale_of
from caffelite.core.layers.exp import ExpLayer
from caffelite.core.layers.log import LogLayer
from caffelite.core.layers.power import PowerLayer
from caffelite.core.layers.prelu import PReLULayer
from caffelite.core.layers.relu import ReLULayer
from caffelite.core.layers.se_lu import ALPHA, SCALE, SeLuLayer
from caffelite.core.layers.shared.neuron import NeuronLayer, log_of_base
from caffelite.core.layers.sigmoid import SigmoidLayer
from caffelite.core.layers.swish import SwishLayer
from caffelite.core.layers.tanh import TanHLayer
from caffelite.core.layers.threshold import ThresholdLayer
from caffelite.inspection.why.terms import (
    BOTTOM,
    At,
    Terms,
    channel_places,
    gradient_of,
    made_of,
    param_gradient_of,
    read,
    sent,
    sent_times,
    value_of,
)

Function = Callable[[Any, Array], Array]  # of a layer's message and x


def _sigmoid(x: Array) -> Array:
    made: Array = 1 / (1 + np.exp(-x))
    return made


def _power(base: Array, power: float) -> Array:
    made: Array = np.power(base, power)
    return made


def _swish_slope(param: Any, x: Array) -> Array:
    share = _sigmoid(param.beta * x)
    slope: Array = share + param.beta * x * share * (1 - share)
    return slope


def _exp_factor(param: Any) -> float:
    return log_of_base("exp_param.base", param.base)


# Of each class the function and its slope.
FUNCTIONS: dict[type[Layer], tuple[Function, Function]] = {
    AbsValLayer: (lambda _, x: np.abs(x), lambda _, x: np.sign(x)),
    BNLLLayer: (lambda _, x: np.logaddexp(0, x), lambda _, x: _sigmoid(x)),
    ClipLayer: (
        lambda p, x: np.maximum(np.minimum(x, p.max), p.min),
        lambda p, x: ((x >= p.min) & (x <= p.max)).astype(float),
    ),
    ELULayer: (
        lambda p, x: scale_of(p) * np.where(x > 0, x, p.alpha * np.expm1(np.minimum(x, 0))),
        lambda p, x: scale_of(p) * np.where(x > 0, 1, p.alpha * np.exp(np.minimum(x, 0))),
    ),
    ExpLayer: (
        lambda p, x: np.exp(_exp_factor(p) * (p.shift + p.scale * x)),
        lambda p, x: _exp_factor(p) * p.scale * np.exp(_exp_factor(p) * (p.shift + p.scale * x)),
    ),
    LogLayer: (
        lambda p, x: np.log(p.shift + p.scale * x) / log_of_base("log_param.base", p.base),
        lambda p, x: p.scale / (p.shift + p.scale * x) / log_of_base("log_param.base", p.base),
    ),
    PowerLayer: (
        lambda p, x: _power(p.shift + p.scale * x, p.power),
        lambda p, x: (
            p.power * p.scale * _power(p.shift + p.scale * x, p.power - 1) if p.power * p.scale else np.zeros_like(x)
        ),
    ),
    SeLuLayer: (
        lambda _, x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0))),
        lambda _, x: SCALE * np.where(x > 0, 1, ALPHA * np.exp(np.minimum(x, 0))),
    ),
    SigmoidLayer: (lambda _, x: _sigmoid(x), lambda _, x: _sigmoid(x) * (1 - _sigmoid(x))),
    SwishLayer: (lambda p, x: x * _sigmoid(p.beta * x), _swish_slope),
    TanHLayer: (lambda _, x: np.tanh(x), lambda _, x: 1 - np.tanh(x) ** 2),
    ThresholdLayer: (lambda p, x: (x > p.threshold).astype(float), lambda _, x: np.zeros_like(x)),
}


@value_of(NeuronLayer)
def _neuron(at: At, top: int, place: int) -> list[Terms]:
    x = at.bottom(0, np.array([place]))
    with np.errstate(all="ignore"):
        made = FUNCTIONS[type(at.layer)][0](_message(at.layer), x)
    return [made_of(made, BOTTOM, 0, place, x, at.layer.formula_with_numbers([], []))]


@gradient_of(NeuronLayer)
def _neuron_back(at: At, bottom: int, place: int) -> list[Terms]:
    x = at.bottom(0, np.array([place]))
    with np.errstate(all="ignore"):
        slope = FUNCTIONS[type(at.layer)][1](_message(at.layer), x)
    return [sent(at, 0, place, slope, "slope")]


def _message(layer: NeuronLayer) -> Any:
    return getattr(layer.layer_param, layer.messages[0]) if layer.messages else None


@value_of(ReLULayer)
def _relu(at: At, top: int, place: int) -> list[Terms]:
    return [read(at, 0, place, _relu_slope(at, place), "slope")]


@gradient_of(ReLULayer)
def _relu_back(at: At, bottom: int, place: int) -> list[Terms]:
    return [sent(at, 0, place, _relu_slope(at, place), "slope")]


def _relu_slope(at: At, place: int) -> float:
    return 1.0 if at.bottom(0, np.array([place]))[0] > 0 else at.layer.negative_slope


@value_of(PReLULayer)
def _prelu(at: At, top: int, place: int) -> list[Terms]:
    return [read(at, 0, place, _prelu_slope(at, place), "slope")]


@gradient_of(PReLULayer)
def _prelu_back(at: At, bottom: int, place: int) -> list[Terms]:
    return [sent(at, 0, place, _prelu_slope(at, place), "slope")]


@param_gradient_of(PReLULayer)
def _prelu_param(at: At, number: int, place: int) -> list[Terms]:
    places = channel_places(at.layer._around, place)
    places = places[at.bottom(0, places) <= 0]
    return [sent_times(at, 0, places, 0, places)]


def _prelu_slope(at: At, place: int) -> float:
    _, channels, inner = at.layer._around
    if at.bottom(0, np.array([place]))[0] > 0:
        return 1.0
    return float(at.param(0, np.array([place // inner % channels]))[0])


@value_of(DropoutLayer)
def _dropout(at: At, top: int, place: int) -> list[Terms]:
    return [read(at, 0, place, _kept(at, place), "of dropout")]


@gradient_of(DropoutLayer)
def _dropout_back(at: At, bottom: int, place: int) -> list[Terms]:
    return [sent(at, 0, place, _kept(at, place), "of dropout")]


def _kept(at: At, place: int) -> float:
    """Return what the last pass multiplied the value by."""
    layer = at.layer
    if not layer.drops:
        return float(layer.factor)
    mask = np.ones(place + 1, np.float32)  # which values are kept depends on their places, not on how many there are
    dropout(mask, layer._key, layer.dropout_ratio, mask, layer.layer_param.dropout_param.scale_train)
    return float(mask[place])
