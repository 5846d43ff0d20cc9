"""Rows written to datasets of an HDF5 file that grow. Source: src/caffe/util/hdf5.cpp, hdf5_output_layer.cpp."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from caffelite.core.blob import Array
from caffelite.core.errors import DataError, WeightsError
from caffelite.core.files import reason_of
from caffelite.core.format import shape_string
from caffelite.core.weights.hdf5 import writing

log = logging.getLogger("caffelite")

CHUNK_BYTES = 64 << 10  # of rows that are stored together, about
LARGEST_CHUNK = 1 << 30  # bytes; HDF5 has a limit of 4 GiB

Identity = tuple[int, int]  # device and inode


class RowWriter:
    """Appends rows to datasets of the file `path`, which is closed and complete after each `append`.

    The first append makes the file, in place of one that is there, complete or not at all. A program that is killed
    during a later one leaves a file that can be read, with the rows before; at worst some of its datasets have the new
    rows and others not yet. With `rows` given, those of the file are kept, if it has so many, and what follows them is
    overwritten: that is how a resumed run goes on.
    """

    def __init__(self, path: str, rows: int = 0) -> None:
        self.path = Path(path)
        self.rows = rows
        self._identity: Identity | None = None  # of the file once it is this writer's

    def append(self, datasets: Mapping[str, Array]) -> None:
        """Add rows, arrays (rows, ...) of equal length by the names of the datasets; DataError if that fails."""
        try:
            if self._identity is None and self.rows and not self._can_go_on(datasets):
                log.warning(
                    "%s does not hold the %d rows any more that were in it before: it is begun anew",
                    self.path,
                    self.rows,
                )
                self.rows = 0
            if self.rows:
                self._extend(datasets)
            else:
                self._make(datasets)
        except WeightsError as err:
            raise DataError(str(err)) from None
        except OSError as err:
            raise DataError(f"cannot write {self.path}: {reason_of(err)}") from err
        self.rows += len(next(iter(datasets.values())))
        self._identity = _identity(self.path)

    def _make(self, datasets: Mapping[str, Array]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with writing(self.path) as root:
            for name, values in datasets.items():
                root.create_dataset(
                    name,
                    data=values,
                    maxshape=(None, *values.shape[1:]),
                    chunks=_chunk_shape(values),
                    track_times=False,
                )

    def _can_go_on(self, datasets: Mapping[str, Array]) -> bool:
        """Whether the file has the rows of the run that is resumed."""
        import h5py

        if not h5py.is_hdf5(self.path):
            return False
        with h5py.File(self.path, "r") as root:
            return all(
                isinstance(root.get(name), h5py.Dataset)
                and root[name].maxshape == (None, *values.shape[1:])
                and len(root[name]) >= self.rows
                for name, values in datasets.items()
            )

    def _extend(self, datasets: Mapping[str, Array]) -> None:
        import h5py

        if self._identity is not None and _identity(self.path) != self._identity:
            raise DataError(
                f"{self.path} is gone, or another program or layer has written a file of that name; each HDF5Output "
                "layer needs a file_name of its own, also in the nets of one solver: include { phase: TEST }"
            )
        # Without a lock: somebody who looks at the file must not be able to stop a training.
        with h5py.File(self.path, "r+", locking=False) as root:
            for name, values in datasets.items():
                self._extend_one(root[name], name, values)

    def _extend_one(self, dataset: Any, name: str, values: Array) -> None:
        if dataset.shape[1:] != values.shape[1:]:
            raise DataError(
                f"{self.path}: rows of dataset {name} are {shape_string(dataset.shape[1:])}, and those of this pass "
                f"{shape_string(values.shape[1:])}; a file holds rows of one shape"
            )
        dataset.resize(self.rows + len(values), axis=0)
        dataset[self.rows :] = values


def _chunk_shape(values: Array) -> tuple[int, ...] | bool:
    """Return the shape of chunks: whole rows, if they are not too large for that; True leaves it to h5py."""
    row_bytes = prod(values.shape[1:]) * values.dtype.itemsize
    return (max(1, CHUNK_BYTES // row_bytes), *values.shape[1:]) if row_bytes <= LARGEST_CHUNK else True


def _identity(path: Path) -> Identity | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
