"""A table in a text file as HDF5 files for HDF5Data."""

from __future__ import annotations

import logging
from pathlib import Path

from caffelite.core.data.csv_rows import Table, read_csv
from caffelite.core.data.hdf5_sets import rows_for_testing, write_row_set
from caffelite.core.errors import DataError, UsageError

log = logging.getLogger("caffelite")


def convert_csv(path: Path, stem: Path, label: str = "", test: float = 0.0) -> list[Path]:
    """Write STEM.h5 and its list STEM.txt, or with `test`, the share of rows for testing, STEM_train and STEM_test.

    The datasets are `data` (rows, columns) and `label` (rows), float32. Returns the lists. `label` as in `read_csv`.
    Raises DataError for a table that cannot be used, UsageError for a share outside 0 to 1.
    """
    if not 0 <= test < 1:
        raise UsageError(f"test is {test:g}; give the share of the rows that are for testing, 0 to below 1")
    table = read_csv(path, label)
    _tell(path, table)
    if not test:
        return [write_row_set(stem, table.data, table.labels)]
    chosen = rows_for_testing(table.labels, test)
    parts = {"train": ~chosen, "test": chosen}
    for name, part in parts.items():
        if not part.any():
            raise DataError(f"{path}: no row is left to {name} with test {test:g} of {len(chosen)} rows")
    lists = []
    for name, part in parts.items():
        lists.append(write_row_set(stem.with_name(f"{stem.name}_{name}"), table.data[part], table.labels[part]))
        log.info("%s: %d rows", lists[-1], part.sum())
    return lists


def _tell(path: Path, table: Table) -> None:
    log.info("%s: %d rows of %d features: %s", path, *table.data.shape, ", ".join(table.features))
    for number, name in enumerate(table.classes):
        log.info("label %d: %s (%d rows)", number, name, (table.labels == number).sum())
