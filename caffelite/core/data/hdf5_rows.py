"""Rows of the datasets in one HDF5 file, read by slices. Source: src/caffe/util/hdf5.cpp."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from caffelite.core import container
from caffelite.core.blob import MAX_AXES, Array, Shape
from caffelite.core.data.prefetch import pause_before_other_hooks
from caffelite.core.errors import DataError
from caffelite.core.files import file_problem
from caffelite.core.format import shape_string
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.hdf5_safety import structure_problems

BLOCK_BYTES = 16 << 20  # that one call of HDF5 reads, about; the rows between those wanted count
GAP_BYTES = 64 << 10  # that are read through in less time than another call takes
CACHE_BYTES = 16 << 20  # of chunks of one dataset, or one chunk if that is larger
CACHE_SLOTS = 10007
KNOWN_NAMES = 10  # that an error lists


class DatasetRows(NamedTuple):
    """What is known of a dataset: the shape and number type of a row, and the rows and bytes of a chunk.

    A dataset without chunks has 0 of both.
    """

    name: str
    row_shape: Shape
    dtype: np.dtype[Any]
    chunk_rows: int
    chunk_bytes: int

    @property
    def row_bytes(self) -> int:
        """Size of a row as it is stored."""
        return prod(self.row_shape) * self.dtype.itemsize


class DamagedRows(NamedTuple):
    """Rows of a dataset that cannot be read, for one reason: they are those of a chunk."""

    rows: Array
    file_and_dataset: tuple[Path, str]
    reason: str

    def error(self, row: int) -> DataError:
        """Return the error for one of the rows."""
        path, dataset = self.file_and_dataset
        return _damaged(path, f"row {row} of dataset {dataset} cannot be read", self.reason)


class Hdf5Rows:
    """Datasets `names` of the root of an HDF5 file, all with the same number of rows, those of their first axis.

    The file is open only between the first `read` and `close`. One thread at a time. Raises DataError for a file or
    dataset that cannot be used, naming it. Whether the file is safe to open has been asked before: `require_readable`.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self._root: Any = None
        self._process = 0  # that opened the file
        with self._errors("it cannot be opened"):
            h5py = _h5py()
            with h5py.File(path, "r") as root:
                found = [self._described(root, name) for name in names]
        self.datasets = [dataset for dataset, _ in found]
        counts = [count for _, count in found]
        if len(set(counts)) > 1:
            rows = ", ".join(f"{dataset.name} has {count}" for dataset, count in found)
            raise DataError(f"{path}: the datasets must have the same number of rows (their first axis), but {rows}")
        self.count = counts[0]
        if not self.count:
            raise DataError(f"{path}: the datasets have 0 rows; leave the file out of the list, or write rows into it")

    @property
    def row_bytes(self) -> int:
        """Size of one row of all datasets as they are stored."""
        return sum(dataset.row_bytes for dataset in self.datasets)

    def read(self, rows: Array) -> list[Array]:
        """Return these rows, an array a dataset in the number type of the file; `rows` ascend."""
        root = self._opened()
        return [self._read(root[dataset.name], dataset, rows) for dataset in self.datasets]

    def unreadable(self, rows: Array) -> list[DamagedRows]:
        """Return those of the rows that cannot be read; `rows` ascend.

        Rows of a chunk fail together: they need the same chunks. So one of each is tried.
        """
        root, found = self._opened(), []
        for dataset in self.datasets:
            chunks = rows // max(1, dataset.chunk_rows)
            for alike in np.split(rows, np.flatnonzero(np.diff(chunks)) + 1):
                try:
                    self._read(root[dataset.name], dataset, alike[:1])
                except DataError as err:
                    found.append(DamagedRows(alike, (self.path, dataset.name), str(err.__cause__ or err)))
        return found

    def close(self) -> None:
        """Close the file; it is opened again when it is read again."""
        if self._root is not None and self._process == os.getpid():
            self._root.close()
        self._root = None

    def _described(self, root: Any, name: str) -> tuple[DatasetRows, int]:
        """Return what is known of a dataset, and the number of its rows."""
        import h5py

        link = root.get(name, getlink=True) if "/" not in name and name in root else None
        dataset = root[name] if isinstance(link, h5py.HardLink) else None
        if not isinstance(dataset, h5py.Dataset):
            raise DataError(f"{self.path}: Failed to find HDF5 dataset {name}; {_names(root)}")
        kind = dataset.id.get_type().get_class()
        if kind not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):
            raise DataError(
                f"{self.path}: dataset {name}: Unsupported datatype class: {_class_name(kind)}; write integers or "
                "floats into it"
            )
        if dataset.is_virtual or dataset.external:
            raise DataError(
                f"{self.path}: the values of dataset {name} are in other files; write the names of those into the list"
            )
        shape = dataset.shape
        if not shape or len(shape) > MAX_AXES:
            raise DataError(
                f"{self.path}: dataset {name} is {'a scalar' if not shape else shape_string(shape)}; its first axis "
                f"must be that of the rows, and it may have {MAX_AXES} axes"
            )
        row_shape = tuple(map(int, shape[1:]))
        if not prod(row_shape):
            raise DataError(f"{self.path}: dataset {name} is {shape_string(shape)}; its rows have no values")
        chunks = dataset.chunks or (0,)
        chunk_bytes = prod(chunks) * dataset.dtype.itemsize
        self._require(chunk_bytes, f"a chunk of dataset {name}")
        return DatasetRows(name, row_shape, dataset.dtype, int(chunks[0]), chunk_bytes), int(shape[0])

    def _require(self, needed: int, what: str) -> None:
        if needed > BLOCK_BYTES and needed > (have := container.available()):
            raise DataError(
                f"{self.path}: {what} takes {container.human(needed)} of memory, and {container.human(have)} are "
                "available; write the file again with smaller chunks"
            )

    def _opened(self) -> Any:
        if self._process != os.getpid():  # a fork: the parent reads from the same file
            self._root = None
        if self._root is None:
            largest = max(dataset.chunk_bytes for dataset in self.datasets)
            with self._errors("it cannot be opened"):
                import h5py

                # A chunk that the cache cannot hold would be unpacked again for each batch.
                self._root = h5py.File(self.path, "r", rdcc_nbytes=max(CACHE_BYTES, largest), rdcc_nslots=CACHE_SLOTS)
                self._process = os.getpid()
        return self._root

    def _read(self, dataset: Any, known: DatasetRows, rows: Array) -> Array:
        out = np.empty((len(rows), *known.row_shape), known.dtype)
        for start, stop in _groups(rows, known):
            first, last = int(rows[start]), int(rows[stop - 1])
            with self._errors(f"rows {first} to {last} of dataset {known.name} cannot be read"):
                if last - first == stop - start - 1:
                    dataset.read_direct(out, np.s_[first : last + 1], np.s_[start:stop])
                else:
                    out[start:stop] = dataset[first : last + 1][rows[start:stop] - first]
        return out

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Make a DataError of what h5py raises for damage: OSError, RuntimeError, ValueError, TypeError, KeyError."""
        try:
            yield
        except DataError:
            raise
        except (OSError, RuntimeError, ValueError, TypeError, KeyError) as err:
            raise _damaged(self.path, what, err) from err


def _damaged(path: Path, what: str, reason: object) -> DataError:
    return DataError(f"{path}: {what} ({reason}); the file is damaged or was changed")


@functools.cache
def _h5py() -> Any:
    """Return the package, the threads that read rows being paused before it locks itself for a fork."""
    import h5py

    pause_before_other_hooks()
    return h5py


def _groups(rows: Array, known: DatasetRows) -> Iterator[tuple[int, int]]:
    """Divide ascending rows into parts of which each is read at once, with the rows between them.

    A row is left to the next part if a whole chunk, or in a dataset without chunks as many bytes as another call is
    worth, lies before it.
    """
    gap = known.chunk_rows or max(1, GAP_BYTES // known.row_bytes)
    block = max(1, BLOCK_BYTES // known.row_bytes)
    if known.chunk_rows:
        block = max(1, block // known.chunk_rows) * known.chunk_rows
    divides = (np.diff(rows) > gap) | (np.diff(rows // block) != 0)
    bounds = np.unique([0, *np.flatnonzero(divides) + 1, len(rows)]).tolist()  # no part of no rows
    return zip(bounds, bounds[1:], strict=False)


def require_readable(paths: Sequence[Path], names: Sequence[str]) -> None:
    """Raise DataError for the first of the files that is missing, is no HDF5 file, or is not safe to open."""
    for path in paths:
        if problem := file_problem(path):
            raise DataError(f"Failed opening HDF5 file: {problem}")
        if not is_hdf5(path):
            raise DataError(f"Failed opening HDF5 file: {path} is no HDF5 file, or cannot be read")
    for path, problem in zip(paths, structure_problems(paths, names), strict=True):
        if problem:
            raise DataError(f"Failed opening HDF5 file: {path} is damaged or was not copied completely ({problem})")


def _names(root: Any) -> str:
    """Return what the root of a file holds, for people."""
    names = list(islice(root, KNOWN_NAMES + 1))
    if not names:
        return "the file is empty"
    more = ", ..." if len(names) > KNOWN_NAMES else ""
    return f"each top reads the dataset of its own name, and there are {', '.join(names[:KNOWN_NAMES])}{more}"


def _class_name(kind: int) -> str:
    """Return HDF5's own name of a class of types, such as H5T_STRING."""
    import h5py

    names = ("STRING", "BITFIELD", "OPAQUE", "COMPOUND", "REFERENCE", "ENUM", "VLEN", "ARRAY", "TIME")
    return next((f"H5T_{name}" for name in names if getattr(h5py.h5t, name, None) == kind), f"class {kind}")
