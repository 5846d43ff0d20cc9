"""The rows of an HDF5 file, or of the files of a list as HDF5Data reads them."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from itertools import accumulate
from math import prod
from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.hdf5_list import find_hdf5_file, read_hdf5_list
from caffelite.core.data.hdf5_rows import Hdf5Rows, require_readable
from caffelite.core.errors import DataError, WeightsError, printable
from caffelite.core.files import NoSuchFileError
from caffelite.core.format import shape_string
from caffelite.core.tables import by
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.databases.kinds import DatabaseKind
from caffelite.databases.record import Labels, Record, joined, unreadable

DATA, LABEL = "data", "label"
MOST_LABELS = 16  # values of a row of `label` that are shown
PORTION_BYTES = 8 << 20
MOST_ROWS = 8192  # of one portion


class Rows:
    """The rows of HDF5 files, one after the other; see Contents.

    A row is that of the dataset `data`, or of the largest one if none is called so, with the values of `label`. A row
    with values that are nan or infinite has a problem. Raises DataError if no file can be read, the only one or the
    first of a list; others of a list that cannot be are in `broken`, file and reason.
    """

    kind = DatabaseKind.HDF5.value

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broken: list[tuple[str, str]] = []
        paths = [path] if is_hdf5(path) else self._listed()
        self._files = self._opened(paths)
        self._starts = [0, *accumulate(file.count for file in self._files)]
        self.count = self._starts[-1]
        shapes = {dataset.name: dataset for dataset in self._files[0].datasets}
        others = [dataset for dataset in self._files[0].datasets if dataset.name != LABEL]
        main = shapes.get(DATA) or max(others or shapes.values(), key=lambda dataset: dataset.row_bytes)
        names = [dataset.name for dataset in self._files[0].datasets]
        self._main = names.index(main.name)
        has_label = LABEL in shapes and main.name != LABEL and prod(shapes[LABEL].row_shape) <= MOST_LABELS
        self._label = names.index(LABEL) if has_label else None

    def facts(self) -> list[tuple[str, str]]:
        """Return the number of files of a list, and the datasets."""
        first = self._files[0]
        chunks = [f", {dataset.chunk_rows} rows a chunk" if dataset.chunk_rows else "" for dataset in first.datasets]
        facts = [
            ("dataset", f"{printable(dataset.name)}: {by((self.count, *dataset.row_shape))} {dataset.dtype}{chunk}")
            for dataset, chunk in zip(first.datasets, chunks, strict=True)
        ]
        if not is_hdf5(self.path):
            facts.insert(0, ("files", str(len(self._files) + len(self.broken))))
        return facts

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def portions(self, start: int, stop: int, pixels: bool = False) -> Iterator[list[Record]]:
        """Give records as Contents says."""
        size = max(1, min(PORTION_BYTES // self._files[0].row_bytes, MOST_ROWS))
        while start < stop:
            index = bisect.bisect_right(self._starts, start) - 1
            end = min(start + size, stop, self._starts[index + 1])
            yield self._read(index, start, end, pixels)
            if end == self._starts[index + 1]:
                self._files[index].close()
            start = end

    def _read(self, index: int, start: int, stop: int, pixels: bool) -> list[Record]:
        """Read a portion of one file; where that fails its halves, down to the rows alone that cannot be read."""
        file, first = self._files[index], self._starts[index]
        try:
            arrays = file.read(np.arange(start - first, stop - first))
        except DataError as err:
            if stop - start > 1:
                middle = (start + stop) // 2
                return joined(self._read(index, start, middle, pixels), self._read(index, middle, stop, pixels))
            problem = re.sub(r"rows \d+ to \d+ of ", "", err.message().removeprefix(f"{file.path}: "))
            return [unreadable(start, problem)]
        main = arrays[self._main]
        labels = None if self._label is None else arrays[self._label].reshape(stop - start, -1).tolist()
        wrong = _not_finite(arrays, [dataset.name for dataset in file.datasets])
        return [
            Record(
                place,
                self._key(index, place),
                file.row_bytes,
                tuple(main.shape[1:]),
                str(main.dtype),
                () if labels is None else _labels(labels[number]),
                main[number] if pixels else None,
                wrong.get(number, ""),
            )
            for number, place in enumerate(range(start, stop))
        ]

    def _key(self, index: int, place: int) -> str:
        row = place - self._starts[index]
        return f"{self._files[index].path.name}:{row}" if len(self._files) > 1 else str(row)

    def _listed(self) -> list[Path]:
        """Return the files of a list; those that are missing are kept in `broken`."""
        paths = []
        for name in read_hdf5_list(self.path):
            try:
                paths.append(find_hdf5_file(name, self.path, None))
            except NoSuchFileError as err:
                self.broken.append((name, str(err)))
        return paths

    def _opened(self, paths: list[Path]) -> list[Hdf5Rows]:
        """Return the files that can be read and have rows as the first one; the others are kept in `broken`."""
        files: list[Hdf5Rows] = []
        names: list[str] = []
        for path in paths:
            try:
                names = names or _names(path)
                file = _opened(path, names)
                if files:
                    _require_alike(file, files[0])
                files.append(file)
            except DataError as err:
                if not files:
                    raise
                self.broken.append((str(path), err.message().removeprefix(f"{path}: ")))
        return files


def _opened(path: Path, names: list[str]) -> Hdf5Rows:
    try:
        require_readable([path], names)
    except WeightsError as err:
        raise DataError(str(err)) from None
    return Hdf5Rows(path, names)


def _names(path: Path) -> list[str]:
    """Return the names of the datasets of numbers in the root of a file; DataError if there is none."""
    import h5py

    try:
        require_readable([path], [])
        with h5py.File(path, "r") as root:
            names = [name for name in root if isinstance(root.get(name, getlink=True), h5py.HardLink)]
            found = [name for name in names if isinstance(root[name], h5py.Dataset) and root[name].dtype.kind in "fiu"]
    except WeightsError as err:
        raise DataError(str(err)) from None
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as err:
        raise DataError(f"{path}: it cannot be read ({err}); the file is damaged") from None
    if not found:
        raise DataError(f"{path} has no dataset of numbers in its root, as HDF5Data reads them")
    return found


def _require_alike(file: Hdf5Rows, first: Hdf5Rows) -> None:
    for dataset, wanted in zip(file.datasets, first.datasets, strict=True):
        if dataset.row_shape != wanted.row_shape:
            raise DataError(
                f"rows of dataset {dataset.name} are {shape_string(dataset.row_shape)}, and in {first.path} they are "
                f"{shape_string(wanted.row_shape)}"
            )


def _labels(values: list[float]) -> Labels:
    return tuple(int(value) if value == value // 1 else value for value in values)


def _not_finite(arrays: list[Array], names: list[str]) -> dict[int, str]:
    """Return what is wrong with rows, by their number, that hold nan or infinite values."""
    found: dict[int, str] = {}
    for array, name in zip(arrays, names, strict=True):
        if array.dtype.kind == "f":
            bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
            for number in np.flatnonzero(bad).tolist():
                found.setdefault(number, f"dataset {name} holds nan or infinite values")
    return found
