"""Batches of records: what a data layer's thread fills. Source: src/caffe/layers/data_layer.cpp, load_batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.plain_records import PlainRecords
from caffelite.core.data.transformer import DataTransformer

RECORDS_AT_ONCE = 64  # more would only take memory


@dataclass
class Batch:
    """One batch: `data` (N, C, H, W), `label` (N), and the number of the record that comes after it."""

    data: Blob
    label: Blob
    position: int = 0


class BatchLoader:
    """Fills batches with the records k of a database for which k % solver_count == solver_rank.

    k counts records from the start of training and is not reset where the database starts again, so that with a size
    that solver_count does not divide each solver gets other records in each epoch. One thread at a time.
    """

    def __init__(
        self,
        reader: LmdbReader,
        datum_reader: DatumReader,
        transformer: DataTransformer,
        solver_rank: int = 0,
        solver_count: int = 1,
    ) -> None:
        self._reader, self._datum_reader, self._transformer = reader, datum_reader, transformer
        self._plain_records = PlainRecords()
        self._rank, self._count = solver_rank, solver_count
        self._position = 0

    def seek(self, position: int) -> None:
        """Let the next batch begin with record `position`."""
        self._position = position
        self._reader.seek(position)

    def image_shape(self) -> Shape:
        """Return the transformed shape, (C, H, W), of the record at the start of the database."""
        self._reader.seek(0)
        ((key, value),) = self._reader.read(1)
        self._reader.seek(self._position)
        pixels, _ = self._datum_reader.read(key, value)
        return self._transformer.shape_of(pixels.shape)

    def load(self, batch: Batch) -> None:
        """Fill `batch`; its first record decides on the shape of the images. Raises DataError or LayerError."""
        size = batch.label.count
        for start in range(0, size, RECORDS_AT_ONCE):
            stop = min(start + RECORDS_AT_ONCE, size)
            numbers, images, labels = self._read(stop - start)
            if start == 0:
                batch.data.reshape(size, *self._transformer.shape_of(images[0].shape))
            batch.label.data[start:stop] = labels
            self._transform(images, numbers, batch.data.data[start:stop])
        batch.position = self._position

    def _read(self, count: int) -> tuple[range, Sequence[Array] | Array, list[int]]:
        """Return numbers, pixels and labels of the next records of this solver, passing over those of the others."""
        skipped = (self._rank - self._position) % self._count
        span = skipped + (count - 1) * self._count + 1
        records = self._reader.read(span)[skipped :: self._count]
        numbers = range(self._position + skipped, self._position + span, self._count)
        self._position += span
        if not self._datum_reader.forces_channels:
            plain = self._plain_records.read([value for _, value in records])
            if plain is not None:
                return numbers, *plain
        pairs = [self._datum_reader.read(key, value) for key, value in records]
        return numbers, [pixels for pixels, _ in pairs], [label for _, label in pairs]

    def _transform(self, images: Sequence[Array] | Array, numbers: range, out: Array) -> None:
        if isinstance(images, np.ndarray) and not self._transformer.is_random:
            self._transformer.transform(images, 0, out)
            return
        for image, number, place in zip(images, numbers, out, strict=True):
            self._transformer.transform(image, number, place)
