"""Arrays that users give to a net: whether they fit its blobs, and how they are cut into batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import UsageError


def numbers(name: str, values: Any) -> Array:
    """Return what the user gave for a blob as an array; UsageError if it is not one of real numbers."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            return array
        if array.dtype.kind != "c":
            return array.astype(np.float64)
        problem = f"it is {array.dtype}"
    except (TypeError, ValueError) as err:
        problem = str(err)
    raise UsageError(f'the array for "{name}" does not hold real numbers: {problem}')


def fits(given: Shape, wanted: Shape) -> bool:
    """Return whether an array can be written to a blob as it is, or repeated along axes of size 1, as in pycaffe.

    The batch sizes must be equal, and what has other axes than the blob must have as many values.
    """
    if given[:1] != wanted[:1] or (len(given) != len(wanted) and prod(given) != prod(wanted)):
        return False
    extra = max(len(given) - len(wanted), 0)
    try:
        return prod(given[:extra]) == 1 and np.broadcast_shapes(given[extra:], wanted) == wanted
    except ValueError:
        return False


def shape_advice(name: str, part: str, given: Shape, wanted: Shape) -> str:
    """Return what to say of an array, of a `data` or `diff`, that does not fit."""
    if given == wanted[1:]:
        reshape = f"write net.blobs[{name!r}].reshape{(1, *given)} before this call and " if wanted[0] != 1 else ""
        advice = f"the first axis is the batch: {reshape}give {name}=values[np.newaxis]"
    elif [size for size in given if size != 1] == [size for size in wanted if size != 1]:
        advice = f"give {name}=values.reshape{wanted}"
    elif part == "diff":
        advice = "give one of that shape"
    else:
        advice = f"write net.blobs[{name!r}].reshape{given} before this call, or give an array of the blob's shape"
    return f'the array for "{name}" has the shape {given}, the blob {wanted}: {advice}'


def list_of_names(names: list[str] | None) -> list[str]:
    """Return names of blobs, none for None; TypeError for what is no list, as in pycaffe."""
    if names is not None and not isinstance(names, list):
        raise TypeError(f"the names of blobs come as a list, not as {names!r}")
    return names or []


class Batch(NamedTuple):
    """One batch of each array, filled up with zeros, and how many of its rows are the user's."""

    arrays: dict[str, Array]
    rows: int


class Batches:
    """Arrays of any equal length, in batches of `size`; UsageError if their lengths differ or there is none."""

    def __init__(self, arrays: Mapping[str, Any], size: int) -> None:
        self._arrays = {name: np.asarray(values) for name, values in arrays.items()}
        self.size = size
        lengths = {name: len(values) if values.ndim else 0 for name, values in self._arrays.items()}
        self.rows = next(iter(lengths.values()), 0)
        if len({*lengths.values()}) > 1 or not self.rows:
            given = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise UsageError(f"the arrays must have rows, all of them equally many; given: {given or 'no array'}")

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, self.rows, self.size):
            rows = min(self.size, self.rows - start)
            yield Batch(
                {name: self._filled_up(values[start : start + rows]) for name, values in self._arrays.items()}, rows
            )

    def _filled_up(self, values: Array) -> Array:
        if len(values) == self.size:
            return values
        full = np.zeros((self.size, *values.shape[1:]), values.dtype)
        full[: len(values)] = values
        return full


class Rows:
    """Collects the rows of some blobs over several batches, copied and without those that filled a batch up."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: dict[str, list[Array]] = {}

    def add(self, blobs: Mapping[str, Array], rows: int) -> None:
        """Take `rows` rows of each blob; UsageError for a blob without a batch axis."""
        for name, values in blobs.items():
            if values.ndim == 0 or (len(values) != self._size and rows != self._size):
                raise UsageError(
                    f'blob "{name}" of shape {values.shape} has no row for each of the {self._size} of a batch, so '
                    "rows cannot be collected; run forward and backward batch by batch"
                )
            kept = values[:rows] if len(values) == self._size else values
            self._parts.setdefault(name, []).append(kept.copy())

    def collected(self) -> dict[str, Array]:
        """Return one array for each blob."""
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}
