"""Rows and labels as an HDF5 file with its list, as HDF5Data reads them; and what share of them is for testing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import DataError, WeightsError
from caffelite.core.weights.atomic import replacing
from caffelite.core.weights.hdf5 import write_array, writing


def write_row_set(stem: Path, data: Array, labels: Array) -> Path:
    """Write STEM.h5, with datasets `data` and `label`, and the list STEM.txt, which is returned; DataError if it fails.

    Each appears complete or not at all, the list last. It names the file without its folder, so that HDF5Data finds it
    beside the list.
    """
    hdf5_file, list_file = (stem.with_name(stem.name + suffix) for suffix in (".h5", ".txt"))
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        with writing(hdf5_file) as root:
            write_array(root, "data", data)
            write_array(root, "label", labels)
        with replacing(list_file) as file:
            file.write(f"{hdf5_file.name}\n".encode())
    except WeightsError as err:
        raise DataError(str(err)) from None
    return list_file


def rows_for_testing(labels: Array, share: float) -> Array:
    """Return for each row whether it is for testing: about a `share` of each label, evenly spread over its rows."""
    order = np.argsort(labels, kind="stable")
    _, first, counts = np.unique(labels[order], return_index=True, return_counts=True)
    turn = np.arange(len(labels)) - np.repeat(first, counts)  # of each row among those of its label
    chosen = np.zeros(len(labels), bool)
    chosen[order] = np.floor((turn + 1) * share) > np.floor(turn * share)
    return chosen
