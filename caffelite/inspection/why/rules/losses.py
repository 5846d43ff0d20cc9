"""Losses, Accuracy and Reduction: sums over positions."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.layers.accuracy import AccuracyLayer
from caffelite.core.layers.contrastive_loss import ContrastiveLossLayer
from caffelite.core.layers.euclidean_loss import EuclideanLossLayer
from caffelite.core.layers.hinge_loss import HingeLossLayer
from caffelite.core.layers.infogain_loss import InfogainLossLayer
from caffelite.core.layers.multinomial_logistic_loss import SMALLEST, MultinomialLogisticLossLayer
from caffelite.core.layers.reduction import ReductionLayer
from caffelite.core.layers.sigmoid_cross_entropy_loss import SigmoidCrossEntropyLossLayer
from caffelite.core.layers.softmax_with_loss import SoftmaxWithLossLayer
from caffelite.inspection.why.terms import BOTTOM, At, Terms, constant, gradient_of, made_of, read, sent, value_of
from caffelite.proto.caffe_pb2 import ReductionParameter

TINY = float(np.finfo(np.float32).tiny)


@value_of(ReductionLayer)
def _reduction(at: At, top: int, place: int) -> list[Terms]:
    places = place * at.layer.rows[1] + np.arange(at.layer.rows[1])
    values, coeff = at.bottom(0, places), at.layer.coeff
    if at.layer.operation == ReductionParameter.ASUM:
        return [made_of(coeff * np.abs(values), BOTTOM, 0, places, values, f"{coeff:g} * |x|")]
    if at.layer.operation == ReductionParameter.SUMSQ:
        return [made_of(coeff * values**2, BOTTOM, 0, places, values, f"{coeff:g} * x^2")]
    return [read(at, 0, places, coeff, "coeff")]


@gradient_of(ReductionLayer)
def _reduction_back(at: At, bottom: int, place: int) -> list[Terms]:
    x, slope = float(at.bottom(0, np.array([place]))[0]), at.layer.coeff
    if at.layer.operation == ReductionParameter.ASUM:
        slope *= np.sign(x)
    elif at.layer.operation == ReductionParameter.SUMSQ:
        slope *= 2 * x
    return [sent(at, 0, place // at.layer.rows[1], slope, "slope")]


def _all(at: At, number: int) -> Array:
    """Return all values of a bottom, flat."""
    return at.bottom(number, np.arange(prod(at.bottom_shape(number))))


def _labels(at: At, positions: int, ignore: int | None) -> tuple[Array, Array]:
    """Return the labels, 0 where they do not count, and whether they count."""
    labels = at.bottom(1, np.arange(positions)).astype(np.int64)
    counted = np.ones(positions, bool) if ignore is None else labels != ignore
    return np.where(counted, labels, 0), counted


def _label_places(labels: Array, classes: int, inner: int) -> Array:
    """Return where among the scores (outer, classes, inner) that of each label lies."""
    positions = np.arange(len(labels))
    places: Array = (positions // inner * classes + labels) * inner + positions % inner
    return places


@value_of(SoftmaxWithLossLayer)
def _softmax_loss(at: At, top: int, place: int) -> list[Terms]:
    layer = at.layer
    prob = layer.prob.data.reshape(-1).astype(np.float64)
    if top == 1:
        return [made_of(prob[place], BOTTOM, 0, place, at.bottom(0, np.array([place])), "its softmax")]
    labels, counted = _labels(at, layer.outer * layer.inner, layer.ignore_label)
    places = _label_places(labels, layer.classes, layer.inner)[counted]
    terms = -np.log(np.maximum(prob[places], TINY)) / layer.divisor
    return [made_of(terms, BOTTOM, 0, places, at.bottom(0, places), f"-log(p of the label) / {layer.divisor:g}")]


@gradient_of(SoftmaxWithLossLayer)
def _softmax_loss_back(at: At, bottom: int, place: int) -> list[Terms]:
    layer = at.layer
    labels, counted = _labels(at, layer.outer * layer.inner, layer.ignore_label)
    position, label = _position(place, layer.classes, layer.inner)
    if not counted[position]:
        return []
    slope = (float(layer.prob.data.reshape(-1)[place]) - (labels[position] == label)) / layer.divisor
    return [sent(at, 0, 0, slope, f"{'(p - 1)' if labels[position] == label else 'p'} / {layer.divisor:g}")]


def _position(place: int, classes: int, inner: int) -> tuple[int, int]:
    """Return at which position a score lies, and of which class it is."""
    outer, rest = divmod(place, classes * inner)
    label, along = divmod(rest, inner)
    return outer * inner + along, label


@value_of(InfogainLossLayer)
def _infogain(at: At, top: int, place: int) -> list[Terms]:
    layer = at.layer
    prob = layer.prob.data.reshape(-1).astype(np.float64)
    if top == 1:
        return [made_of(prob[place], BOTTOM, 0, place, at.bottom(0, np.array([place])), "its softmax")]
    labels, counted = _labels(at, layer.outer * layer.inner, layer.ignore_label)
    matrix = _matrix(at)
    every = np.arange(layer.classes)
    places = np.stack([_label_places(np.full_like(labels, label), layer.classes, layer.inner) for label in every], 1)
    terms = -matrix[labels] * np.log(np.maximum(prob[places], SMALLEST)) / layer.divisor
    places = places[counted].reshape(-1)
    text = f"-H[label, l] * log(p[l]) / {layer.divisor:g}"
    return [made_of(terms[counted], BOTTOM, 0, places, at.bottom(0, places), text)]


@gradient_of(InfogainLossLayer)
def _infogain_back(at: At, bottom: int, place: int) -> list[Terms]:
    layer = at.layer
    labels, counted = _labels(at, layer.outer * layer.inner, layer.ignore_label)
    position, label = _position(place, layer.classes, layer.inner)
    if not counted[position]:
        return []
    row = _matrix(at)[labels[position]]
    slope = (float(layer.prob.data.reshape(-1)[place]) * row.sum() - row[label]) / layer.divisor
    return [sent(at, 0, 0, slope, "(p * sum of H[label] - H[label, l]) / normalizer")]


def _matrix(at: At) -> Array:
    stored, classes = at.layer._stored, at.layer.classes
    values: Array = _all(at, 2) if stored is None else stored.reshape(-1).astype(np.float64)
    return values.reshape(classes, classes)


@value_of(MultinomialLogisticLossLayer)
def _multinomial(at: At, top: int, place: int) -> list[Terms]:
    places, num = _multinomial_places(at)
    values = at.bottom(0, places)
    return [made_of(-np.log(np.maximum(values, SMALLEST)) / num, BOTTOM, 0, places, values, f"-log(p) / {num}")]


@gradient_of(MultinomialLogisticLossLayer)
def _multinomial_back(at: At, bottom: int, place: int) -> list[Terms]:
    places, num = _multinomial_places(at)
    if place not in places:
        return []
    value = max(float(at.bottom(0, np.array([place]))[0]), SMALLEST)
    return [sent(at, 0, 0, -1 / (num * value), f"-1 / ({num} * p)")]


def _multinomial_places(at: At) -> tuple[Array, int]:
    num, classes = at.layer.items
    return _label_places(_labels(at, num, None)[0], classes, 1), max(num, 1)


@value_of(SigmoidCrossEntropyLossLayer)
def _sigmoid_loss(at: At, top: int, place: int) -> list[Terms]:
    scores, targets = _all(at, 0), _all(at, 1)
    counted = np.flatnonzero(~_ignored(at, targets))
    terms = np.logaddexp(0, scores) - scores * targets
    text = f"(log(1 + e^x) - t * x) / {at.layer.divisor:g}"
    return [made_of(terms[counted] / at.layer.divisor, BOTTOM, 0, counted, scores[counted], text)]


@gradient_of(SigmoidCrossEntropyLossLayer)
def _sigmoid_loss_back(at: At, bottom: int, place: int) -> list[Terms]:
    x, target = (at.bottom(number, np.array([place])) for number in (0, 1))
    if _ignored(at, target)[0]:
        return []
    return [sent(at, 0, 0, (1 / (1 + np.exp(-x)) - target) / at.layer.divisor, "(sigmoid(x) - t) / normalizer")]


def _ignored(at: At, targets: Array) -> Array:
    ignore = at.layer.ignore_label
    return np.zeros(len(targets), bool) if ignore is None else np.trunc(targets) == ignore


@value_of(EuclideanLossLayer)
def _euclidean(at: At, top: int, place: int) -> list[Terms]:
    first, second = _all(at, 0), _all(at, 1)
    batch = max(at.bottom_shape(0)[0], 1)
    terms = (first - second) ** 2 / (2 * batch)
    return [made_of(terms, BOTTOM, 0, np.arange(len(first)), first, f"(x - bottom[1])^2 / (2 * {batch})")]


@gradient_of(EuclideanLossLayer)
def _euclidean_back(at: At, bottom: int, place: int) -> list[Terms]:
    own, other = (float(at.bottom(number, np.array([place]))[0]) for number in (bottom, 1 - bottom))
    return [sent(at, 0, 0, (own - other) / max(at.bottom_shape(0)[0], 1), "difference / batch size")]


@value_of(HingeLossLayer)
def _hinge(at: At, top: int, place: int) -> list[Terms]:
    margins, _ = _margins(at)
    num = max(at.bottom_shape(0)[0], 1)
    places = np.flatnonzero(margins > 0)
    terms = margins[places] ** 2 if at.layer.squared else margins[places]
    text = f"margin{'^2' if at.layer.squared else ''} / {num}"
    return [made_of(terms / num, BOTTOM, 0, places, at.bottom(0, places), text)]


@gradient_of(HingeLossLayer)
def _hinge_back(at: At, bottom: int, place: int) -> list[Terms]:
    margins, signs = _margins(at)
    slope = 2 * margins[place] if at.layer.squared else float(margins[place] > 0)
    return [sent(at, 0, 0, signs[place] * slope / max(at.bottom_shape(0)[0], 1), "slope of the margin / batch size")]


def _margins(at: At) -> tuple[Array, Array]:
    """Return what each score lacks, flat, and -1 at labels, 1 elsewhere."""
    scores = _all(at, 0)
    num = at.bottom_shape(0)[0]
    signs = np.ones_like(scores)
    signs[_label_places(_labels(at, num, None)[0], len(scores) // max(num, 1), 1)] = -1
    return np.maximum(0, 1 + signs * scores), signs


@value_of(ContrastiveLossLayer)
def _contrastive(at: At, top: int, place: int) -> list[Terms]:
    difference, similar = _pairs(at)
    square, margin = (difference**2).sum(axis=1), at.layer.param.margin
    apart = margin - square if at.layer.param.legacy_version else np.maximum(margin - np.sqrt(square), 0) ** 2
    terms = np.where(similar, square, np.maximum(apart, 0)) / (2 * len(similar))
    places = np.arange(len(similar)) * difference.shape[1]
    return [made_of(terms, BOTTOM, 0, places, at.bottom(0, places), "of this pair")]


@gradient_of(ContrastiveLossLayer)
def _contrastive_back(at: At, bottom: int, place: int) -> list[Terms]:
    difference, similar = _pairs(at)
    pair, number = divmod(place, difference.shape[1])
    factor = 1.0 if similar[pair] else float(at.layer._unlike_factor()[pair])
    slope = (1, -1)[bottom] * factor * difference[pair, number] / len(similar)
    return [sent(at, 0, 0, slope, "difference of the pair, weighted")]


def _pairs(at: At) -> tuple[Array, Array]:
    shape = at.layer.difference.shape
    return (_all(at, 0) - _all(at, 1)).reshape(shape), np.abs(_all(at, 2)) >= 1


@value_of(AccuracyLayer)
def _accuracy(at: At, top: int, place: int) -> list[Terms]:
    layer, param = at.layer, at.layer.layer_param.accuracy_param
    ignore = param.ignore_label if param.HasField("ignore_label") else None
    labels, counted = _labels(at, layer.outer * layer.inner, ignore)
    if top == 1:
        counted = counted & (labels == place)
    right = np.flatnonzero(layer._right(_all(at, 0), labels) & counted)
    if not len(right):
        return [constant(0.0, "no position is right")]
    places = _label_places(labels, layer.classes, layer.inner)[right]
    share = np.full(len(right), 1 / counted.sum())
    return [made_of(share, BOTTOM, 0, places, at.bottom(0, places), f"right, 1 of {counted.sum()}")]
