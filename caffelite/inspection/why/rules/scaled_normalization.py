"""BN, and BatchNorm with a scale inside: normalized values times a scale, plus a shift."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.layers.shared.scaled_normalization import ScaledNormalization
from caffelite.inspection.why.terms import (
    BOTTOM,
    At,
    Terms,
    channel_places,
    constant,
    gradient_of,
    made_of,
    param_gradient_of,
    read,
    sent,
    value_of,
)


class _Channel:
    """The numbers of one channel in the last pass."""

    def __init__(self, at: At, channel: int) -> None:
        self.at, layer = at, at.layer
        self.places = channel_places(layer._around, channel)
        self.mean, _, self.factor = (float(values[channel]) for values in layer._statistics)
        self.scale = float(layer._of_blob(layer.scale_blob, 1)[channel])
        self.shift = float(layer._of_blob(layer.shift_blob, 0)[channel])

    def normal(self, places: Array) -> Array:
        """Return (x - mean) / deviation at these places."""
        normal: Array = (self.at.bottom(0, places) - self.mean) * self.factor
        return normal

    def passes(self, places: Array) -> Array:
        """Return 1 where values are passed on, 0 where a ReLU inside the layer makes them 0."""
        if not getattr(self.at.layer, "relu", False):
            return np.ones(places.shape)
        return (self.scale * self.normal(places) + self.shift > 0).astype(float)


def _channel_of(at: At, place: int) -> _Channel:
    _, channels, inner = at.layer._around
    return _Channel(at, int(place // inner % channels))


@value_of(ScaledNormalization)
def _scaled(at: At, top: int, place: int) -> list[Terms]:
    if top:
        return [_statistic(_Channel(at, place), top)]
    of = _channel_of(at, place)
    if not of.passes(np.array([place]))[0]:
        return [constant(0.0, "ReLU of what is not positive")]
    slope = of.scale * of.factor
    rest = f"shift - scale * mean / deviation, mean {of.mean:g}"
    return [read(at, 0, place, slope, "scale / deviation"), constant(of.shift - slope * of.mean, rest)]


def _statistic(of: _Channel, top: int) -> Terms:
    """Return what mean (top 1) or variance (top 2) of the batch is the sum of."""
    if top == 1:
        return read(of.at, 0, of.places, 1 / of.places.size, "1 / count")
    x = of.at.bottom(0, of.places)
    return made_of((x - of.mean) ** 2 / of.places.size, BOTTOM, 0, of.places, x, "(x - mean)^2 / count")


@gradient_of(ScaledNormalization)
def _scaled_back(at: At, bottom: int, place: int) -> list[Terms]:
    of = _channel_of(at, place)
    slope, here = of.scale * of.factor, np.array([place])
    if at.layer._fixed:
        return [sent(at, 0, place, slope * of.passes(here), "scale / deviation")]
    own, count = of.places == place, of.places.size
    slopes = slope * (own - 1 / count - of.normal(here) * of.normal(of.places) / count)
    return [sent(at, 0, of.places, slopes * of.passes(of.places), "slope")]


@param_gradient_of(ScaledNormalization)
def _scaled_param(at: At, number: int, place: int) -> list[Terms]:
    of = _Channel(at, place)
    if number == at.layer.shift_blob:
        return [sent(at, 0, of.places, of.passes(of.places))]
    if number == at.layer.scale_blob:
        return [sent(at, 0, of.places, of.normal(of.places) * of.passes(of.places), "normalized")]
    return [constant(0.0, "statistics are not learned")]
