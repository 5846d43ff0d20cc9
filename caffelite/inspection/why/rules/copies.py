"""Layers whose tops hold values of their bottoms: each value comes from one place, each gradient from its copies."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from caffelite.core.layers.batch_reindex import BatchReindexLayer
from caffelite.core.layers.concat import ConcatLayer
from caffelite.core.layers.crop import CropLayer
from caffelite.core.layers.filter import FilterLayer
from caffelite.core.layers.flatten import FlattenLayer
from caffelite.core.layers.reshape import ReshapeLayer
from caffelite.core.layers.silence import SilenceLayer
from caffelite.core.layers.slice import SliceLayer
from caffelite.core.layers.split import SplitLayer
from caffelite.core.layers.tile import TileLayer
from caffelite.inspection.why.terms import At, Terms, gradient_of, read, sent, value_of


@value_of(SplitLayer, ReshapeLayer, FlattenLayer)
def _same(at: At, top: int, place: int) -> list[Terms]:
    return [read(at, 0, place)]


@gradient_of(SplitLayer, ReshapeLayer, FlattenLayer)
def _same_back(at: At, bottom: int, place: int) -> list[Terms]:
    return [sent(at, number, place) for number in range(at.num_tops())]


@gradient_of(SilenceLayer)
def _nothing(at: At, bottom: int, place: int) -> list[Terms]:
    return []


@value_of(ConcatLayer)
def _concat(at: At, top: int, place: int) -> list[Terms]:
    number, inner = _part_of(place, at.top_shape(0), [at.bottom_shape(i) for i in range(at.num_bottoms())], at)
    return [read(at, number, inner)]


@gradient_of(ConcatLayer)
def _concat_back(at: At, bottom: int, place: int) -> list[Terms]:
    shapes = [at.bottom_shape(i) for i in range(at.num_bottoms())]
    return [sent(at, 0, _whole_of(place, bottom, shapes, at.top_shape(0), at))]


@value_of(SliceLayer)
def _slice(at: At, top: int, place: int) -> list[Terms]:
    shapes = [at.top_shape(i) for i in range(at.num_tops())]
    return [read(at, 0, _whole_of(place, top, shapes, at.bottom_shape(0), at))]


@gradient_of(SliceLayer)
def _slice_back(at: At, bottom: int, place: int) -> list[Terms]:
    number, inner = _part_of(place, at.bottom_shape(0), [at.top_shape(i) for i in range(at.num_tops())], at)
    return [sent(at, number, inner)]


def _part_of(place: int, whole: tuple[int, ...], parts: list[tuple[int, ...]], at: At) -> tuple[int, int]:
    """Return which of the parts along the layer's axis a place of the whole lies in, and its flat place there."""
    index, axis = _index(place, whole), at.layer.axis
    for number, shape in enumerate(parts):
        if index[axis] < shape[axis]:
            return number, _flat(index, shape)
        index[axis] -= shape[axis]
    raise AssertionError("the parts are shorter than the whole")


def _whole_of(place: int, number: int, parts: list[tuple[int, ...]], whole: tuple[int, ...], at: At) -> int:
    """Return the flat place in the whole of a place in one of the parts."""
    index = _index(place, parts[number])
    index[at.layer.axis] += sum(shape[at.layer.axis] for shape in parts[:number])
    return _flat(index, whole)


@value_of(CropLayer)
def _crop(at: At, top: int, place: int) -> list[Terms]:
    index = [i + offset for i, offset in zip(_index(place, at.top_shape(0)), _offsets(at), strict=True)]
    return [read(at, 0, _flat(index, at.bottom_shape(0)))]


@gradient_of(CropLayer)
def _crop_back(at: At, bottom: int, place: int) -> list[Terms]:
    if bottom == 1:
        return []
    index = [i - offset for i, offset in zip(_index(place, at.bottom_shape(0)), _offsets(at), strict=True)]
    if any(not 0 <= i < size for i, size in zip(index, at.top_shape(0), strict=True)):
        return []
    return [sent(at, 0, _flat(index, at.top_shape(0)))]


def _offsets(at: At) -> list[int]:
    return [part.start or 0 for part in at.layer._part]


@value_of(TileLayer)
def _tile(at: At, top: int, place: int) -> list[Terms]:
    _, tiles, block = at.layer.repeated
    return [read(at, 0, place // (tiles * block) * block + place % block)]


@gradient_of(TileLayer)
def _tile_back(at: At, bottom: int, place: int) -> list[Terms]:
    _, tiles, block = at.layer.repeated
    outer, inner = divmod(place, block)
    return [sent(at, 0, (outer * tiles + np.arange(tiles)) * block + inner)]


@value_of(BatchReindexLayer)
def _reindex(at: At, top: int, place: int) -> list[Terms]:
    size = prod(at.top_shape(0)[1:])
    item, inner = divmod(place, size)
    return [read(at, 0, int(at.bottom(1, np.array([item]))[0]) * size + inner)]


@gradient_of(BatchReindexLayer)
def _reindex_back(at: At, bottom: int, place: int) -> list[Terms]:
    size = prod(at.top_shape(0)[1:])
    item, inner = divmod(place, size)
    copies = np.flatnonzero(at.bottom(1, np.arange(at.top_shape(0)[0])).astype(np.int64) == item)
    return [sent(at, 0, copies * size + inner)]


@value_of(FilterLayer)
def _filter(at: At, top: int, place: int) -> list[Terms]:
    size = prod(at.top_shape(top)[1:])
    item, inner = divmod(place, size)
    return [read(at, top, int(at.layer.rows[item]) * size + inner)]


@gradient_of(FilterLayer)
def _filter_back(at: At, bottom: int, place: int) -> list[Terms]:
    size = prod(at.bottom_shape(bottom)[1:])
    item, inner = divmod(place, size)
    return [sent(at, bottom, np.flatnonzero(at.layer.rows == item) * size + inner)]


def _index(place: int, shape: tuple[int, ...]) -> list[int]:
    return [int(i) for i in np.unravel_index(place, shape)] if shape else []


def _flat(index: list[int], shape: tuple[int, ...]) -> int:
    flat: Any = np.ravel_multi_index(tuple(index), shape) if shape else 0
    return int(flat)
