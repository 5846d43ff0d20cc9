"""Batches: what a data layer's thread fills. Source: src/caffe/layers/data_layer.cpp, load_batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.data.database import LabelledImages
from caffelite.core.data.datum import label_array
from caffelite.core.data.source import Source
from caffelite.core.data.transformer import DataTransformer
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_string

RECORDS_AT_ONCE = 64  # more would only take memory


@dataclass
class Batch:
    """One batch: a blob a top, and the state of a layer that has used it: where the next batch begins."""

    blobs: list[Blob]
    state: dict[str, Any] = field(default_factory=dict)


class ImageBatches:
    """Fills batches with the records k of a source for which k % solver_count == solver_rank.

    k counts records from the start of training and is not reset where the source starts again, so that with a size
    that solver_count does not divide each solver gets other records in each epoch. One thread at a time.
    """

    def __init__(
        self,
        source: Source[LabelledImages],
        transformer: DataTransformer,
        batch_size: int,
        solver_rank: int = 0,
        solver_count: int = 1,
    ) -> None:
        self._source, self._transformer = source, transformer
        self._size, self._rank, self._count = batch_size, solver_rank, solver_count
        self._position = 0
        self.label_shape: Shape = (batch_size,)  # of a batch: (batch_size, k) where records have k labels each

    def set_state(self, state: dict[str, Any]) -> None:
        """Let the next batch begin where the state of another one says."""
        self._position = int(state["position"])
        self._source.set_state({name: value for name, value in state.items() if name != "position"})

    def image_shape(self) -> Shape:
        """Return the transformed shape, (C, H, W), of the source's first record; `label_shape` is known then."""
        first = self._source.read(range(1))
        self.label_shape = (self._size, *label_array(first.labels, first.keys, first.labels[0]).shape[1:])
        return self._transformer.shape_of(first.images[0].shape)

    def load(self, batch: Batch) -> None:
        """Fill images and, if there is a second blob, labels; the first record decides on the shape of the images.

        Raises DataError or LayerError.
        """
        data, *labels = batch.blobs
        for start in range(0, self._size, RECORDS_AT_ONCE):
            stop = min(start + RECORDS_AT_ONCE, self._size)
            positions = self._next_positions(stop - start)
            records = self._source.read(positions)
            if start == 0:
                first, first_label = records.images[0].shape, records.labels[0]
                data.reshape(self._size, *self._transformer.shape_of(first))
            self._refuse_others(records, first)
            for blob in labels:
                values = label_array(records.labels, records.keys, first_label)
                if start == 0:
                    blob.reshape(self._size, *values.shape[1:])
                blob.data[start:stop] = values
            self._transform(records.images, positions, data.data[start:stop])
        batch.state = {"position": self._position, **self._source.get_state()}

    def _next_positions(self, count: int) -> range:
        """Return the next positions of this solver's records, passing over those of the others."""
        first = self._position + (self._rank - self._position) % self._count
        self._position = first + (count - 1) * self._count + 1
        return range(first, self._position, self._count)

    def _refuse_others(self, records: LabelledImages, first: Shape) -> None:
        """Raise LayerError, naming the record, for an image that does not fit in a batch that began with `first`."""
        for image, key in zip(records.images, records.keys, strict=True):
            if image.shape == first:
                continue
            record = f'record "{key.decode(errors="backslashreplace")}"'
            if image.shape[0] != first[0]:
                raise LayerError(
                    record,
                    f"an image of {image.shape[0]} channels",
                    f"the first one of its batch has {first[0]}; make the database again with images of one kind, or, "
                    "if they are encoded, write transform_param { force_color: true } or force_gray: true",
                )
            shape, wanted = self._transformer.shape_of(image.shape), self._transformer.shape_of(first)
            if shape != wanted:
                raise LayerError(
                    record,
                    f"an image of {shape_string(image.shape)}",
                    f"images of one batch must be equally large: it gives {shape_string(shape)}, the first one gave "
                    f"{shape_string(wanted)}; set crop_size, or batch_size: 1",
                )

    def _transform(self, images: Sequence[Array] | Array, positions: range, out: Array) -> None:
        if isinstance(images, np.ndarray) and not self._transformer.is_random:
            self._transformer.transform(images, 0, out)
            return
        for image, position, transformed in zip(images, positions, out, strict=True):
            self._transformer.transform(image, position, transformed)
