"""What the page has to know of a layer to take its values apart: the kind of its rule, and numbers.

The rules themselves are in web/rules_*.js; those of net.why, in inspection/why/rules, say the same in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from caffelite.core.blob import Array
from caffelite.core.layer import Layer
from caffelite.core.layers.abs_val import AbsValLayer
from caffelite.core.layers.batch_norm import BatchNormLayer
from caffelite.core.layers.batch_reindex import BatchReindexLayer
from caffelite.core.layers.bias import BiasLayer
from caffelite.core.layers.bnll import BNLLLayer
from caffelite.core.layers.clip import ClipLayer
from caffelite.core.layers.concat import ConcatLayer
from caffelite.core.layers.convolution import ConvolutionLayer
from caffelite.core.layers.crop import CropLayer
from caffelite.core.layers.deconvolution import DeconvolutionLayer
from caffelite.core.layers.dropout import DropoutLayer
from caffelite.core.layers.eltwise import EltwiseMaxLayer, EltwiseProdLayer, EltwiseSumLayer
from caffelite.core.layers.elu import ELULayer
from caffelite.core.layers.embed import EmbedLayer
from caffelite.core.layers.exp import ExpLayer
from caffelite.core.layers.filter import FilterLayer
from caffelite.core.layers.flatten import FlattenLayer
from caffelite.core.layers.im2col import Im2colLayer
from caffelite.core.layers.inner_product import InnerProductLayer
from caffelite.core.layers.log import LogLayer
from caffelite.core.layers.lrn import LRNAcrossLayer, LRNWithinLayer
from caffelite.core.layers.lstm import LSTMLayer
from caffelite.core.layers.lstm_unit import LSTMUnitLayer
from caffelite.core.layers.mvn import MVNLayer
from caffelite.core.layers.parameter import ParameterLayer
from caffelite.core.layers.pooling import AvePoolingLayer, MaxPoolingLayer
from caffelite.core.layers.power import PowerLayer
from caffelite.core.layers.prelu import PReLULayer
from caffelite.core.layers.relu import ReLULayer
from caffelite.core.layers.reshape import ReshapeLayer
from caffelite.core.layers.rnn import RNNLayer
from caffelite.core.layers.scale import ScaleLayer
from caffelite.core.layers.se_lu import ALPHA, SCALE, SeLuLayer
from caffelite.core.layers.shared.neuron import log_of_base
from caffelite.core.layers.sigmoid import SigmoidLayer
from caffelite.core.layers.silence import SilenceLayer
from caffelite.core.layers.slice import SliceLayer
from caffelite.core.layers.softmax import SoftmaxLayer
from caffelite.core.layers.split import SplitLayer
from caffelite.core.layers.spp import SPPLayer
from caffelite.core.layers.stochastic_pooling import StochasticPoolingLayer
from caffelite.core.layers.swish import SwishLayer
from caffelite.core.layers.tanh import TanHLayer
from caffelite.core.layers.threshold import ThresholdLayer
from caffelite.core.layers.tile import TileLayer
from caffelite.explaining.loss_kinds import LOSSES, Describe, Figures
from caffelite.proto import caffe_pb2

STOCHASTIC = "stochastic pooling"
POOLS = {
    caffe_pb2.SPPParameter.MAX: "max pooling",
    caffe_pb2.SPPParameter.AVE: "average pooling",
    caffe_pb2.SPPParameter.STOCHASTIC: STOCHASTIC,
}
D = TypeVar("D", bound=Describe)
KINDS: dict[type[Layer], tuple[str, Describe]] = dict(LOSSES)


def kind_of(layer: Layer) -> Figures | None:
    """Return {"kind": ..., its figures}, None for a layer that the page cannot take apart; call it after a pass."""
    for layer_class in type(layer).__mro__:
        if layer_class in KINDS:
            kind, describe = KINDS[layer_class]
            if _draws(layer):
                return None  # what it drew is in no blob
            return {"kind": kind, **describe(layer)}
    return None


def _draws(layer: Layer) -> bool:
    """Whether a layer draws random numbers."""
    if isinstance(layer, DropoutLayer):
        return layer.drops
    is_drawing_pyramid = isinstance(layer, SPPLayer) and POOLS[layer.layer_param.spp_param.pool] == STOCHASTIC
    draws = isinstance(layer, StochasticPoolingLayer) or is_drawing_pyramid
    return draws and layer.phase == caffe_pb2.TRAIN


def _of(kind: str, *classes: type[Layer]) -> Callable[[D], D]:
    def add(describe: D) -> D:
        KINDS.update(dict.fromkeys(classes, (kind, describe)))
        return describe

    return add


def _nothing(layer: Any) -> Figures:
    return {}


def _function_alone(name: str, layer: Any) -> Figures:
    return {"function": name}


def _numbers(values: Array) -> list[float | str]:
    """Return numbers for JSON, which has no nan and infinity: these become words that JavaScript's Number() reads."""
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return [words.get(str(value), value) for value in values.tolist()]


# Products with weights


@_of("convolution", ConvolutionLayer)
@_of("deconvolution", DeconvolutionLayer)
def _convolution(layer: Any) -> Figures:
    return {
        **layer.window._asdict(),
        "group": layer.group,
        "channels": layer.conv_in_channels,
        "outputs": layer.conv_out_channels,
        "image": layer.image_shape[1:],
        "output": layer.output_shape[1:],
        "bias": layer.bias_term,
    }


@_of("im2col", Im2colLayer)
def _im2col(layer: Any) -> Figures:
    channels, *spatial = layer.image_shape
    output = layer.window.convolved(tuple(spatial))
    return {**layer.window._asdict(), "channels": channels, "image": spatial, "output": output}


@_of("inner product", InnerProductLayer)
def _inner_product(layer: Any) -> Figures:
    return {
        "inputs": layer.item_count,
        "outputs": layer.num_output,
        "transpose": bool(layer.transpose),
        "bias": bool(layer.bias_term),
    }


@_of("embed", EmbedLayer)
def _embed(layer: Any) -> Figures:
    param = layer.layer_param.embed_param
    return {"outputs": param.num_output, "bias": param.bias_term}


@_of("scale", ScaleLayer)
def _scale(layer: Any) -> Figures:
    return {"around": layer._around, "bias": layer.layer_param.scale_param.bias_term, "params": len(layer.blobs)}


@_of("bias", BiasLayer)
@_of("prelu", PReLULayer)
def _around(layer: Any) -> Figures:
    return {"around": layer._around}


# Windows and neighbours


@_of("max pooling", MaxPoolingLayer)
@_of("average pooling", AvePoolingLayer)
@_of(STOCHASTIC, StochasticPoolingLayer)
def _pooling(layer: Any) -> Figures:
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = map(int, layer.window)
    return {"kernel": [kernel_h, kernel_w], "stride": [stride_h, stride_w], "pad": [pad_h, pad_w]}


@_of("spp", SPPLayer)
def _spp(layer: Any) -> Figures:
    levels: list[Figures] = []
    start = 0
    for level, blob in zip(layer._levels, layer._pooled, strict=True):
        levels.append({**_pooling(level), "shape": list(blob.shape), "start": start})
        start += blob.count_between(1)
    return {"pool": POOLS[layer.layer_param.spp_param.pool], "levels": levels}


@_of("lrn across", LRNAcrossLayer)
@_of("lrn within", LRNWithinLayer)
def _lrn(layer: Any) -> Figures:
    k = layer.layer_param.lrn_param.k if isinstance(layer, LRNAcrossLayer) else 1.0
    return {"size": layer.local_size, "alpha": layer.alpha, "beta": layer.beta, "k": k}


# Value by value. Slopes and intercepts of what stands inside a power, exponent or logarithm are a and b.

NEURONS = {
    "abs": AbsValLayer,
    "bnll": BNLLLayer,
    "sigmoid": SigmoidLayer,
    "tanh": TanHLayer,
}
for _name, _neuron in NEURONS.items():
    KINDS[_neuron] = ("neuron", partial(_function_alone, _name))


@_of("neuron", ReLULayer)
def _relu(layer: Any) -> Figures:
    return {"function": "relu", "slope": layer.negative_slope}


@_of("neuron", ClipLayer)
def _clip(layer: Any) -> Figures:
    param = layer.layer_param.clip_param
    return {"function": "clip", "min": param.min, "max": param.max}


@_of("neuron", ELULayer)
def _elu(layer: Any) -> Figures:
    return {"function": "elu", "alpha": layer.layer_param.elu_param.alpha, "scale": layer.scale}


@_of("neuron", SeLuLayer)
def _selu(layer: Any) -> Figures:
    return {"function": "elu", "alpha": ALPHA, "scale": SCALE}


@_of("neuron", ExpLayer)
def _exp(layer: Any) -> Figures:
    param = layer.layer_param.exp_param
    return {"function": "exp", "a": param.scale, "b": param.shift, "log": log_of_base("exp_param.base", param.base)}


@_of("neuron", LogLayer)
def _log(layer: Any) -> Figures:
    param = layer.layer_param.log_param
    return {"function": "log", "a": param.scale, "b": param.shift, "log": log_of_base("log_param.base", param.base)}


@_of("neuron", PowerLayer)
def _power(layer: Any) -> Figures:
    param = layer.layer_param.power_param
    return {"function": "power", "a": param.scale, "b": param.shift, "power": param.power}


@_of("copy", DropoutLayer)
def _dropout(layer: Any) -> Figures:
    if layer.factor == 1:
        return {}
    return {"kind": "neuron", "function": "power", "a": layer.factor, "b": 0, "power": 1}


@_of("neuron", SwishLayer)
def _swish(layer: Any) -> Figures:
    return {"function": "swish", "beta": layer.layer_param.swish_param.beta}


@_of("neuron", ThresholdLayer)
def _threshold(layer: Any) -> Figures:
    return {"function": "threshold", "threshold": layer.layer_param.threshold_param.threshold}


# Values that are moved, and values of several blobs

_of("copy", SplitLayer, ReshapeLayer, FlattenLayer)(_nothing)
KINDS[SilenceLayer] = ("silence", _nothing)
KINDS[ParameterLayer] = ("parameter", _nothing)
KINDS[EltwiseProdLayer] = ("product", _nothing)
KINDS[EltwiseMaxLayer] = ("largest", _nothing)
KINDS[BatchReindexLayer] = ("batch reindex", _nothing)
KINDS[LSTMUnitLayer] = ("lstm unit", _nothing)


@_of("lstm", LSTMLayer)
@_of("rnn", RNNLayer)
def _recurrent(layer: Any) -> Figures:
    return {
        "size": layer.num_output,
        "streams": layer.sizes.streams,
        "steps": layer.sizes.time_steps,
        "inputs": [layer.sizes.item_count, layer.sizes.static_count if layer.static_input else 0],
        "sums": layer.gate_input.data,  # (T, N, gates x size)
        "sent": layer.gate_input.diff,
        "hidden": layer.hidden.data,
        "cells": layer.cells.data if isinstance(layer, LSTMLayer) else None,  # (T + 1, N, size)
    }


@_of("concat", ConcatLayer)
@_of("slice", SliceLayer)
def _axis(layer: Any) -> Figures:
    return {"axis": layer.axis}


@_of("crop", CropLayer)
def _crop(layer: Any) -> Figures:
    return {"offsets": [part.start or 0 for part in layer._part]}


@_of("filter", FilterLayer)
def _filter(layer: Any) -> Figures:
    return {"rows": layer.rows.tolist()}


@_of("tile", TileLayer)
def _tile(layer: Any) -> Figures:
    _, tiles, block = layer.repeated
    return {"tiles": tiles, "block": block}


@_of("sum", EltwiseSumLayer)
def _sum(layer: Any) -> Figures:
    return {"coeff": list(layer.coeff)}


# Values divided by what many of them make


@_of("normalize", BatchNormLayer, MVNLayer)
def _normalize(layer: Any) -> Figures:
    statistics = layer._statistics
    fixed = isinstance(layer, BatchNormLayer) and layer.use_global_stats
    spread = _numbers(layer._spread()) if isinstance(layer, MVNLayer) else None
    return {
        "around": layer._around,
        "mean": _numbers(statistics.mean),
        "factor": _numbers(statistics.factor),
        "fixed": bool(fixed),
        "spread": spread,
    }


@_of("softmax", SoftmaxLayer)
def _softmax(layer: Any) -> Figures:
    return {"around": layer.around}
