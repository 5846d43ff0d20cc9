"""A batch of images while it is filled: pieces that workers do, and what remains when all of them are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.data.database import LabelledImages
from caffelite.core.data.datum import label_array
from caffelite.core.data.source import Source, Undecoded
from caffelite.core.errors import CaffeliteError, DataError, LayerError
from caffelite.core.format import shape_string

if TYPE_CHECKING:
    from caffelite.core.data.batch import Batch, ImageBatches

Piece = Callable[[], None]

RECORDS_IN_A_PIECE = 8
LARGE_IMAGE = 1 << 14  # bytes, from which on it pays that another thread transforms an image


class Filling:
    """Fills one batch; see Work. The first record decides on the shape of the images.

    Images go to their places at once if they become of the shape that is expected, that of the batch before; others
    wait until all are decoded. Of errors that of the first record counts.
    """

    def __init__(self, batches: ImageBatches, batch: Batch) -> None:
        self._batches, self._batch = batches, batch
        self._before = batches.get_state()
        size = batches.size
        self._transformer = batches.transformer
        self._out: Array = np.empty(0)  # the images of the batch
        self._positions: list[int] = []
        self._keys: list[bytes] = []
        self._shapes: list[Shape] = [()] * size
        self._kinds: set[Shape] = set()  # of shapes
        self._labels: list[Any] = [0] * size
        self._waiting: dict[int, Array] = {}
        self._errors: dict[int, CaffeliteError] = {}
        self._bad: dict[int, DataError] = {}

    def pieces(self) -> Iterator[Piece]:
        """Read the records, and leave decoding and large images to workers."""
        self._reshape(self._batches.expected)
        for positions, records in self._batches.read_batch():
            start = len(self._keys)
            self._positions += positions
            self._keys += records.keys
            end = len(self._keys)
            if isinstance(records, Undecoded):
                for first in range(start, end, RECORDS_IN_A_PIECE):
                    last = min(first + RECORDS_IN_A_PIECE, end)
                    yield partial(self._decode, records.decode, records.values[first - start : last - start], first)
                continue
            self._labels[start:end] = records.labels
            if records.images[0].nbytes < LARGE_IMAGE:
                self._place_all(records.images, start)
                continue
            for first in range(start, end, RECORDS_IN_A_PIECE):
                last = min(first + RECORDS_IN_A_PIECE, end)
                yield partial(self._place_some, records.images[first - start : last - start], first)
        self._batch.state, self._batch.records = self._batches.get_state(), self._positions

    def finish(self) -> bool:
        """Refuse what does not fit, and give what waited its place; False if records have to be left out."""
        if self._bad:
            return False
        if self._errors or self._waiting or len(self._kinds) > 1:
            self._settle()
        for blob in self._batch.blobs[1:]:
            labels = label_array(self._labels, self._keys, self._labels[0])
            blob.reshape(*labels.shape)
            blob.data[...] = labels
        return True

    def restart(self) -> None:
        """Let the next batch be this one, without the records that cannot be read."""
        for place, error in sorted(self._bad.items()):
            self._batches.bad_records.add(self._keys[place], error)
        self._batches.set_state(self._before)

    def _decode(self, decode: Callable[[bytes, Any], tuple[Array, Any]], values: Sequence[Any], start: int) -> None:
        for place, value in enumerate(values, start):
            try:
                image, self._labels[place] = decode(self._keys[place], value)
            except DataError as err:
                if not self._batches.bad_records.skip:
                    self._errors[place] = err
                    return  # the records behind it do not matter
                self._bad[place] = err
            else:
                self._place(image, place)

    def _place_some(self, images: Sequence[Array] | Array, start: int) -> None:
        for place, image in enumerate(images, start):
            self._place(image, place)

    def _place_all(self, images: Sequence[Array] | Array, start: int) -> None:
        """Do the same with small images, in the thread that reads, at once if they are alike."""
        count = len(images)
        out = self._out[start : start + count]
        shape = images[0].shape
        if not isinstance(images, np.ndarray) or self._transformer.shape_of(shape) != self._out.shape[1:]:
            self._place_some(images, start)
            return
        self._shapes[start : start + count] = [shape] * count
        self._kinds.add(shape)
        self._transformer.transform_all(images, self._positions[start:], out)

    def _place(self, image: Array, place: int) -> None:
        self._shapes[place] = image.shape
        self._kinds.add(image.shape)
        try:
            if self._transformer.shape_of(image.shape) == self._out.shape[1:]:
                self._transformer.transform(image, self._positions[place], self._out[place])
                return
        except LayerError as err:
            self._errors[place] = err
        self._waiting[place] = image

    def _reshape(self, image_shape: Shape) -> None:
        data = self._batch.blobs[0]
        data.reshape(self._batches.size, *image_shape)
        self._out = data.data  # here and not by several workers: the memory is taken when it is first asked for

    def _settle(self) -> None:
        """Raise the error of the first record that has one; then give the images that waited their places."""
        for place, shape in enumerate(self._shapes):
            if shape != self._shapes[0] and shape:
                self._refuse_other(place)
            if place in self._errors:
                raise self._errors[place]
        if self._waiting:
            self._batches.expected = self._transformer.shape_of(self._shapes[0])
            self._reshape(self._batches.expected)
        for place, image in self._waiting.items():
            self._transformer.transform(image, self._positions[place], self._out[place])

    def _refuse_other(self, place: int) -> None:
        """Raise LayerError, naming the record, for an image that does not fit in a batch that began with another."""
        shape, first = self._shapes[place], self._shapes[0]
        record = f'record "{self._keys[place].decode(errors="backslashreplace")}"'
        if shape[0] != first[0]:
            raise LayerError(
                record,
                f"an image of {shape[0]} channels",
                f"the first one of its batch has {first[0]}; make the database again with images of one kind, or, "
                "if they are encoded, write transform_param { force_color: true } or force_gray: true",
            )
        becomes, wanted = self._transformer.shape_of(shape), self._transformer.shape_of(first)
        if becomes != wanted:
            raise LayerError(
                record,
                f"an image of {shape_string(shape)}",
                f"images of one batch must be equally large: it gives {shape_string(becomes)}, the first one gave "
                f"{shape_string(wanted)}; set crop_size, or batch_size: 1",
            )


def chosen(records: LabelledImages | Undecoded, places: Sequence[int]) -> LabelledImages | Undecoded:
    """Return some of the records."""
    keys = [records.keys[place] for place in places]
    if isinstance(records, Undecoded):
        return records._replace(keys=keys, values=[records.values[place] for place in places])
    images = records.images
    some = images[list(places)] if isinstance(images, np.ndarray) else [images[place] for place in places]
    return LabelledImages(some, [records.labels[place] for place in places], keys)


def one_by_one(source: Source[LabelledImages], positions: range) -> Undecoded:
    """Return the records of a source that only reads decoded ones, each with its own error instead of one for all."""
    read = [_read_one(source, position) for position in positions]
    return Undecoded([key for key, _ in read], [value for _, value in read], _image_or_error)


def _read_one(source: Source[LabelledImages], position: int) -> tuple[bytes, Any]:
    try:
        images, labels, keys = source.read(range(position, position + 1))
    except DataError as err:
        return str(err).encode(), err  # it names the record, whose key nobody tells
    return keys[0], (images[0], labels[0])


def _image_or_error(key: bytes, value: Any) -> tuple[Array, Any]:
    if isinstance(value, DataError):
        raise value
    image, label = value
    return image, label
