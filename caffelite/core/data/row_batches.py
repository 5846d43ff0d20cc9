"""Batches of rows: what the thread of HDF5Data fills. Source: src/caffe/layers/hdf5_data_layer.cpp, Forward_cpu."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.data.batch import Batch
from caffelite.core.data.hdf5_source import Hdf5Source
from caffelite.core.data.share import Share
from caffelite.core.data.transformer import DataTransformer

PART_BYTES = 64 << 20  # of stored rows that are in memory besides the batch


class RowBatches:
    """Fills batches with a solver's rows of a source; see Share.

    `row_shapes` are those of the blobs; `transformer`, if there is one, makes the first blob of the first dataset. One
    thread at a time.
    """

    def __init__(
        self,
        source: Hdf5Source,
        transformer: DataTransformer | None,
        row_shapes: Sequence[Shape],
        batch_size: int,
        solver_rank: int = 0,
        solver_count: int = 1,
    ) -> None:
        self.source, self._transformer = source, transformer
        self._shapes = [(batch_size, *shape) for shape in row_shapes]
        self._size, self._share = batch_size, Share(solver_rank, solver_count)
        self._skipped = 0

    def set_state(self, state: dict[str, Any]) -> None:
        """Let the next batch begin where the state of another one says."""
        self._share.position, self._skipped = int(state["position"]), int(state.get("skipped", 0))
        self.source.set_state({name: value for name, value in state.items() if name not in ("position", "skipped")})

    def load(self, batch: Batch) -> None:
        """Fill a blob a dataset; DataError for rows that cannot be read, unless the source leaves them out."""
        for blob, shape in zip(batch.blobs, self._shapes, strict=True):
            blob.reshape(*shape)
        at_once = max(1, PART_BYTES // self.source.row_bytes)
        self.source.bad_records.begin()
        start = 0
        while start < self._size:
            positions = self._share.take(min(at_once, self._size - start))
            self._skipped += len(positions)
            for found, arrays in self.source.read(positions):
                self._take(arrays, found, batch, start)
                start += len(found)
                self._skipped -= len(found)
        skipped = {"skipped": self._skipped} if self._skipped else {}
        batch.state = {"position": self._share.position, **skipped, **self.source.get_state()}

    def _take(self, arrays: list[Array], positions: Sequence[int], batch: Batch, start: int) -> None:
        for index, (values, blob) in enumerate(zip(arrays, batch.blobs, strict=True)):
            out = blob.data[start : start + len(values)]
            if index == 0 and self._transformer is not None:
                self._transform(self._transformer, values, positions, out)
            else:
                _convert(values, out)

    def _transform(self, transformer: DataTransformer, images: Array, positions: Sequence[int], out: Array) -> None:
        if images.dtype not in (np.uint8, out.dtype):
            converted = np.empty(images.shape, out.dtype)
            _convert(images, converted)
            images = converted
        transformer.transform_all(images, positions, out)


def _convert(values: Array, out: Array) -> None:
    with np.errstate(over="ignore", invalid="ignore"):  # float64 beyond float32 becomes inf, as in Caffe
        out[...] = values
