"""Whether the batches of a test cover the test set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from caffelite.core.data import included as known_sets
from caffelite.core.data.hdf5_files import count_rows
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import DataError
from caffelite.core.files import NoSuchFileError, find_file
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import included
from caffelite.proto.caffe_pb2 import LayerParameter

PARAMS = {"Data": "data_param", "HDF5Data": "hdf5_data_param"}


def uncovered(draft: Draft, folder: Path | None, test_iter: int, where: str) -> Iterator[str]:
    """Yield a warning for each Data or HDF5Data layer whose records a test does not all see, or sees again and again.

    `where` is the place of test_iter. Sets of unknown size are left out: those that are not there, but for the ones of
    `caffelite dataset`.
    """
    for index, layer in enumerate(draft.layers):
        if layer.type not in PARAMS or not included(layer, draft.param.state):
            continue
        param = getattr(layer, PARAMS[layer.type])
        batch_size, records = param.batch_size, _records(layer, folder)
        if not records or batch_size < 1:
            continue
        seen, least = test_iter * batch_size, -(-records // batch_size)
        if seen < records:
            does = f"sees {seen} of the {records} records"
        elif test_iter > least:
            does = f"goes on to {seen} where there are {records} records"
        else:
            continue
        yield (
            f"{where}test_iter is {test_iter}; with batch_size {batch_size} in {draft.named(index)} a test {does} of "
            f'"{param.source}": write {least}'
        )


def _records(layer: LayerParameter, folder: Path | None) -> int:
    """Return how many records or rows the layer's source holds; 0 if that is not known."""
    if layer.type == "HDF5Data":
        return count_rows(layer.hdf5_data_param.source, folder, list(layer.top))
    source = layer.data_param.source
    try:
        return LmdbReader(find_file(source, folder)).entries
    except DataError:  # the layer has said so
        return 0
    except NoSuchFileError:
        known = known_sets.records_of(source)
        return known.images if known else 0
