"""SPP: each value is one of a pooling layer of its own, whose rules say what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.layers.spp import SPPLayer
from caffelite.inspection.why.terms import GRADIENTS, TOP, VALUES, At, Rule, Terms, gradient_of, rule_for, value_of


class _Level:
    """One level of an SPP layer as a layer of its own, which sends its values to a part of the layer's top."""

    def __init__(self, at: At, level: Any, shape: Shape, start: int) -> None:
        self.layer, self._at, self._shape, self.start = level, at, shape, start
        self.size = prod(shape[1:])
        self._whole = prod(at.top_shape(0)[1:])
        self.bottom, self.bottom_shape, self.num_bottoms = at.bottom, at.bottom_shape, at.num_bottoms
        self.num_tops, self.param, self.gets_gradient = at.num_tops, at.param, at.gets_gradient

    def top_shape(self, number: int) -> Shape:
        """Return the shape of the level's own top."""
        return self._shape

    def joined(self, places: Any) -> Array:
        """Return where values of the level lie in the layer's top."""
        item, inner = np.divmod(np.asarray(places, np.int64), self.size)
        return np.asarray(item * self._whole + self.start + inner)

    def top(self, number: int, places: Any) -> Array:
        """Return values of the level."""
        return self._at.top(0, self.joined(places))

    def top_diff(self, number: int, places: Any) -> Array:
        """Return gradients of the level."""
        return self._at.top_diff(0, self.joined(places))


def _levels(at: At) -> Iterator[_Level]:
    start = 0
    for level, pooled in zip(at.layer._levels, at.layer._pooled, strict=True):
        yield _Level(at, level, pooled.shape, start)
        start += prod(pooled.shape[1:])


def _rule(table: Any, level: _Level) -> Rule:
    rule = rule_for(table, level.layer)
    assert rule is not None, "pooling has rules"
    return rule


@value_of(SPPLayer)
def _spp(at: At, top: int, place: int) -> list[Terms]:
    item, inner = divmod(place, prod(at.top_shape(0)[1:]))
    level = next(level for level in _levels(at) if inner < level.start + level.size)
    return _rule(VALUES, level)(level, 0, item * level.size + inner - level.start)


@gradient_of(SPPLayer)
def _spp_back(at: At, bottom: int, place: int) -> list[Terms]:
    found = []
    for level in _levels(at):
        for terms in _rule(GRADIENTS, level)(level, 0, place):
            assert terms.role == TOP and terms.places is not None
            found.append(replace(terms, places=level.joined(terms.places)))
    return found
