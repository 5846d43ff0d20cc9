"""The weights in two caffemodels, by statistics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from caffelite.comparing.arrays import Difference, difference
from caffelite.core.blob import Array
from caffelite.core.blob_proto import shape_fits
from caffelite.core.tables import by
from caffelite.core.weights import caffemodel, hdf5_caffemodel
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.match import distinct


class Stored(NamedTuple):
    """A parameter of a file; `legacy`: its shape is the old form of four numbers."""

    values: Array
    shape: tuple[int, ...]
    legacy: bool = False


Weights = dict[str, dict[int, Stored]]  # layer -> number of the parameter -> its values


class WeightsRow(NamedTuple):
    """What there is to say of one parameter: `blobs[0]` of a layer, its shape, and how it differs."""

    layer: str
    blob: str
    shape: str
    result: str
    same: bool
    figures: Difference | None = None


def weight_differences(first: Path, second: Path, tolerance: float = 0.0) -> Iterator[WeightsRow]:
    """Yield a row for each parameter of two caffemodels, binary or HDF5, matched by the names of their layers.

    Raises WeightsError for a file that is none.
    """
    ours, theirs = _read(first), _read(second)
    for layer in [*ours, *(name for name in theirs if name not in ours)]:
        left, right = ours.get(layer, {}), theirs.get(layer, {})
        for number in sorted({*left, *right}):
            yield _row(layer, number, left.get(number), right.get(number), (first, second), tolerance)


def _row(
    layer: str, number: int, left: Stored | None, right: Stored | None, files: tuple[Path, Path], tolerance: float
) -> WeightsRow:
    blob = f"blobs[{number}]"
    if left is None or right is None:
        only = left or right
        assert only is not None
        return WeightsRow(layer, blob, by(only.shape), f"only in {files[left is None]}", False)
    if not _fit(left, right):
        return WeightsRow(layer, blob, f"{by(left.shape)} | {by(right.shape)}", "the shapes differ", False)
    figures = difference(left.values, right.values, tolerance)
    shape = by(right.shape if left.legacy else left.shape)
    return WeightsRow(layer, blob, shape, "" if figures.differing else "equal", not figures.differing, figures)


def _fit(left: Stored, right: Stored) -> bool:
    """Return whether the shapes are the same, that of an old file in four numbers being one with ones in front."""
    if left.legacy == right.legacy:
        return left.shape == right.shape
    old, new = (left, right) if left.legacy else (right, left)
    return shape_fits(new.shape, old.shape, True)


def _read(path: Path) -> Weights:
    if is_hdf5(path):
        layers = hdf5_caffemodel.read_layers(path)
        return {
            name: {n: Stored(values, values.shape) for n, values in blobs.items()} for name, blobs in layers.items()
        }
    stored = [layer for layer in caffemodel.read_layers(path) if layer.blobs]
    names = distinct([layer.name for layer in stored])
    return {
        name: {number: Stored(blob.data, blob.shape, blob.legacy) for number, blob in enumerate(layer.blobs)}
        for name, layer in zip(names, stored, strict=True)
    }
