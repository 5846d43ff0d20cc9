"""Data sets of rows of numbers, as HDF5 files with their lists: flowers, and points made by a formula."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.csv_rows import read_csv
from caffelite.core.data.hdf5_rows import Hdf5Rows
from caffelite.core.data.hdf5_sets import rows_for_testing, write_row_set
from caffelite.core.data.included import Records
from caffelite.core.errors import DataError
from caffelite.core.files import Kind, kind_of
from caffelite.core.random import generator

log = logging.getLogger("caffelite")

IRIS_FILE = Path(__file__).parent / "iris.csv"
SEED = 1
SPREAD = 0.5  # of the points about the centre of their cluster
CENTRES = np.array([(-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (1.5, -0.5)])  # of two clusters of class 0, and two of 1
NOISE = 2  # features that tell nothing


@dataclass(frozen=True)
class RowSet:
    """Rows and labels in two parts; `load` gives data (N, k) float32, labels (N), and which rows are for testing."""

    name: str
    train: int
    test: int
    features: int
    load: Callable[[], tuple[Array, Array, Array]]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the lists and files."""
        return tuple(f"{self.name}_{part}{suffix}" for part in ("train", "test") for suffix in (".txt", ".h5"))

    @property
    def records(self) -> Mapping[str, Records]:
        """What each list's file holds."""
        counts = {"train": self.train, "test": self.test}
        return {f"{self.name}_{part}.txt": Records(count, (self.features,)) for part, count in counts.items()}

    def make(self, out: Path) -> None:
        """Write the files that are missing in folder `out`; DataError if others are there under their names."""
        missing = [name for name in self.records if not _is_complete(out / name, self.records[name].images)]
        if not missing:
            return
        data, labels, is_test = self.load()
        for name in missing:
            part = is_test if name.endswith("_test.txt") else ~is_test
            log.info("Writing %s (%d rows)", out / name, part.sum())
            write_row_set((out / name).with_suffix(""), data[part], labels[part])


def _is_complete(list_file: Path, rows: int) -> bool:
    """Whether a list and its file are there; DataError if the file holds another number of rows."""
    path = list_file.with_suffix(".h5")
    if Kind.NOTHING in (kind_of(list_file), kind_of(path)):
        return False
    found = Hdf5Rows(path, ["data", "label"]).count
    if found != rows:
        raise DataError(f"{path} holds {found} rows instead of {rows}; delete it and make it again")
    log.info("%s is already there (%d rows); left alone", list_file, found)
    return True


def _iris() -> tuple[Array, Array, Array]:
    table = read_csv(IRIS_FILE)
    return table.data, table.labels, rows_for_testing(table.labels, 0.2)


def _clusters() -> tuple[Array, Array, Array]:
    """Return 10,000 points of 4 features: two of clusters that no line divides by class, and two of noise."""
    draws = generator(SEED, "hdf5_classification")
    cluster = draws.integers(len(CENTRES), size=10000)
    places = CENTRES[cluster] + SPREAD * draws.normal(size=(len(cluster), 2))
    data = np.concatenate([places, draws.normal(size=(len(cluster), NOISE))], axis=1).astype(np.float32)
    labels = (cluster // 2).astype(np.float32)
    return data, labels, np.arange(len(cluster)) % 4 == 0


IRIS = RowSet("iris", 120, 30, 4, _iris)
CLUSTERS = RowSet("hdf5_classification", 7500, 2500, 4, _clusters)
