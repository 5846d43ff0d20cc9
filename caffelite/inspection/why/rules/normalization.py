"""BatchNorm, MVN, LRN and Softmax: values divided by something that is made of many of them."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.layers.batch_norm import BatchNormLayer
from caffelite.core.layers.lrn import LRNAcrossLayer, LRNWithinLayer
from caffelite.core.layers.mvn import MVNLayer
from caffelite.core.layers.softmax import SoftmaxLayer
from caffelite.inspection.why.terms import (
    BOTTOM,
    At,
    Terms,
    channel_places,
    constant,
    gradient_of,
    made_of,
    read,
    sent,
    value_of,
)


@value_of(BatchNormLayer, MVNLayer)
def _normalized(at: At, top: int, place: int) -> list[Terms]:
    mean, factor = _statistics(at, _group(at, place))
    return [read(at, 0, place, factor, "1 / deviation"), constant(-mean * factor, f"-mean / deviation, mean {mean:g}")]


@gradient_of(BatchNormLayer)
def _batch_norm_back(at: At, bottom: int, place: int) -> list[Terms]:
    if at.layer.use_global_stats:
        return [sent(at, 0, place, _statistics(at, _group(at, place))[1], "1 / deviation")]
    return [_through_statistics(at, place, 1.0)]


@gradient_of(MVNLayer)
def _mvn_back(at: At, bottom: int, place: int) -> list[Terms]:
    return [_through_statistics(at, place, float(at.layer._spread()[_group(at, place)]))]


def _group(at: At, place: int) -> int:
    """Return which mean and deviation a value is normalized by."""
    _, groups, inner = at.layer._around
    return int(place // inner % groups)


def _statistics(at: At, group: int) -> tuple[float, float]:
    """Return mean, and what is multiplied by."""
    statistics = at.layer._statistics
    return float(statistics.mean[group]), float(statistics.factor[group])


def _through_statistics(at: At, place: int, spread: float) -> Terms:
    """Return what all gradients of a group send to one value: mean and deviation are made of it, too."""
    group = _group(at, place)
    places = channel_places(at.layer._around, group)
    mean, factor = _statistics(at, group)
    normal = (at.bottom(0, places) - mean) * factor
    own = places == place
    slopes = factor * (own - 1 / len(places) - spread * normal[own][0] * normal / len(places))
    return sent(at, 0, places, slopes, "slope")


@value_of(LRNAcrossLayer, LRNWithinLayer)
def _lrn(at: At, top: int, place: int) -> list[Terms]:
    scale = float(at.layer.scale.reshape(-1)[place])
    return [read(at, 0, place, scale**-at.layer.beta, f"{scale:g}^-{at.layer.beta:g}")]


@gradient_of(LRNAcrossLayer)
def _lrn_across_back(at: At, bottom: int, place: int) -> list[Terms]:
    shape, half = at.bottom_shape(0), at.layer.local_size // 2
    inner = shape[2] * shape[3]
    n, c = divmod(place // inner, shape[1])
    channels = np.arange(max(c - half, 0), min(c + half + 1, shape[1]))
    places = (n * shape[1] + channels) * inner + place % inner
    return [_through_scale(at, place, places, at.layer.local_size)]


@gradient_of(LRNWithinLayer)
def _lrn_within_back(at: At, bottom: int, place: int) -> list[Terms]:
    shape, half = at.bottom_shape(0), at.layer.local_size // 2
    plane, pixel = divmod(place, shape[2] * shape[3])
    y, x = divmod(pixel, shape[3])
    rows = np.arange(max(y - half, 0), min(y + half + 1, shape[2]))
    columns = np.arange(max(x - half, 0), min(x + half + 1, shape[3]))
    places = (plane * shape[2] + rows[:, None]) * shape[3] + columns
    return [_through_scale(at, place, places.reshape(-1), at.layer.local_size**2)]


def _through_scale(at: At, place: int, places: Array, count: int) -> Terms:
    """Return what the gradients of the neighbours, whose scale a value is part of, send to it."""
    scale = at.layer.scale.reshape(-1)[places].astype(np.float64)
    alpha, beta = at.layer.alpha, at.layer.beta
    values, own = at.bottom(0, places), places == place
    slopes = own * scale**-beta - 2 * alpha * beta / count * values[own][0] * values * scale ** (-beta - 1)
    return sent(at, 0, places, slopes, "slope")


@value_of(SoftmaxLayer)
def _softmax(at: At, top: int, place: int) -> list[Terms]:
    _, classes, inner = at.layer.around
    places = _line(place, classes, inner)
    scores = at.bottom(0, places)
    powers = np.exp(scores - scores.max())
    own = places == place
    text = f"e^(x - {scores.max():g}) / {powers.sum():g}, the sum over {classes} classes"
    return [made_of((powers / powers.sum())[own], BOTTOM, 0, place, scores[own], text)]


@gradient_of(SoftmaxLayer)
def _softmax_back(at: At, bottom: int, place: int) -> list[Terms]:
    _, classes, inner = at.layer.around
    places = _line(place, classes, inner)
    scores = at.bottom(0, places)
    powers = np.exp(scores - scores.max())
    probabilities, own = powers / powers.sum(), places == place
    return [sent(at, 0, places, probabilities * (own - probabilities[own][0]), "slope")]


def _line(place: int, classes: int, inner: int) -> Array:
    """Return the flat places of all classes at the position of one of them."""
    outer, rest = divmod(place, classes * inner)
    places: Array = (outer * classes + np.arange(classes)) * inner + rest % inner
    return places
