"""What the page has to know of losses, and of others that make few numbers of many: Accuracy, ArgMax, Reduction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffelite.core.layer import Layer
from caffelite.core.layers.accuracy import AccuracyLayer
from caffelite.core.layers.arg_max import ArgMaxLayer
from caffelite.core.layers.contrastive_loss import NEAR_ZERO, ContrastiveLossLayer
from caffelite.core.layers.euclidean_loss import EuclideanLossLayer
from caffelite.core.layers.hinge_loss import HingeLossLayer
from caffelite.core.layers.infogain_loss import InfogainLossLayer
from caffelite.core.layers.multinomial_logistic_loss import MultinomialLogisticLossLayer
from caffelite.core.layers.reduction import ReductionLayer
from caffelite.core.layers.sigmoid_cross_entropy_loss import SigmoidCrossEntropyLossLayer
from caffelite.core.layers.softmax_with_loss import SoftmaxWithLossLayer
from caffelite.proto.caffe_pb2 import ReductionParameter

Figures = dict[str, Any]  # what JSON can hold
Describe = Callable[[Any], Figures]  # of a layer after a pass forward


def _nothing(layer: Any) -> Figures:
    return {}


def _softmax_loss(layer: Any) -> Figures:
    return {
        "around": [layer.outer, layer.classes, layer.inner],
        "ignore": layer.ignore_label,
        "divisor": float(layer.divisor),
    }


def _infogain(layer: Any) -> Figures:
    stored = layer._stored  # None if H is a bottom
    return {**_softmax_loss(layer), "matrix": None if stored is None else stored.reshape(-1).tolist()}


def _sigmoid_loss(layer: Any) -> Figures:
    return {"ignore": layer.ignore_label, "divisor": float(layer.divisor)}


def _hinge(layer: Any) -> Figures:
    return {"squared": bool(layer.squared)}


def _contrastive(layer: Any) -> Figures:
    return {"margin": layer.param.margin, "legacy": layer.param.legacy_version, "nearZero": NEAR_ZERO}


def _accuracy(layer: Any) -> Figures:
    param = layer.layer_param.accuracy_param
    return {
        "around": [layer.outer, layer.classes, layer.inner],
        "ignore": param.ignore_label if param.HasField("ignore_label") else None,
        "most": param.top_k,
    }


def _arg_max(layer: Any) -> Figures:
    param = layer.layer_param.argmax_param
    return {
        "around": list(layer.around),
        "most": param.top_k,
        "values": param.out_max_val and layer.axis is not None,
        "both": param.out_max_val and layer.axis is None,
    }


def _reduction(layer: Any) -> Figures:
    operation = {ReductionParameter.ASUM: "|x|", ReductionParameter.SUMSQ: "x^2"}.get(layer.operation, "x")
    return {"rows": layer.rows, "coeff": float(layer.coeff), "of": operation}


LOSSES: dict[type[Layer], tuple[str, Describe]] = {
    AccuracyLayer: ("accuracy", _accuracy),
    ArgMaxLayer: ("argmax", _arg_max),
    ContrastiveLossLayer: ("contrastive loss", _contrastive),
    EuclideanLossLayer: ("euclidean loss", _nothing),
    HingeLossLayer: ("hinge loss", _hinge),
    InfogainLossLayer: ("infogain loss", _infogain),
    MultinomialLogisticLossLayer: ("multinomial loss", _nothing),
    ReductionLayer: ("reduction", _reduction),
    SigmoidCrossEntropyLossLayer: ("sigmoid loss", _sigmoid_loss),
    SoftmaxWithLossLayer: ("softmax loss", _softmax_loss),
}
