"""The mean of the images of a database. Source: tools/compute_image_mean.cpp."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from caffelite.core.blob import Array
from caffelite.core.data.backends import RecordReader, backend_of, open_records, wrong_backend
from caffelite.core.data.datum import DatumReader
from caffelite.core.data.mean import write_mean
from caffelite.core.errors import DataError, UsageError
from caffelite.core.format import number
from caffelite.proto import caffe_pb2
from caffelite.tools.backend import Progress, require_backend

log = logging.getLogger("caffelite")

RECORDS_PER_READ = 100
RECORDS_PER_LINE = 10000  # of the log


def compute_image_mean(database: Path, out: Path | None, backend: str, progress: Progress) -> Array:
    """Return the mean, (C, H, W) float32, of the images of `database`, and write it to the file `out` if there is one.

    C, H and W are those of the first image; raises DataError if another has another number of values. As in Caffe the
    sum is made in float32 in the order of the keys, so that the file is the same, byte for byte.
    """
    require_backend(backend)
    if out is not None and not out.parent.is_dir():  # which shows itself only when the mean is there
        raise UsageError(f"cannot write {out}: there is no folder {out.parent}")
    found = backend_of(database)
    if found and found != backend:
        raise UsageError(wrong_backend(database, backend, found) + f": write --backend={found}")
    reader = open_records(database, backend)
    log.info("Opened %s %s", backend, database)
    total_count = reader.count()
    images = _images(reader, total_count, str(database))
    first = next(images)
    log.info("Starting iteration")
    total = np.array(first, np.float32, order="C")  # a decoded image has the channels last in memory
    values = total.reshape(-1)
    count = 1
    for count, image in enumerate(images, 2):
        values += image.reshape(-1)
        if count % RECORDS_PER_LINE == 0:
            log.info("Processed %d files.", count)
        progress(count, total_count)
    if count % RECORDS_PER_LINE:
        log.info("Processed %d files.", count)
    total /= np.float32(count)
    if out is not None:
        log.info("Write to %s", out)
        write_mean(out, total)
    log.info("Number of channels: %d", len(total))
    for channel, plane in enumerate(total):
        log.info("mean_value channel [%d]: %s", channel, number(_mean_of(plane)))
    return total


def _mean_of(plane: Array) -> float:
    """Return the mean as Caffe adds it up: one value after the other, in float32."""
    return float(np.add.accumulate(plane.ravel(), dtype=np.float32)[-1] / np.float32(plane.size))


def _images(reader: RecordReader, total_count: int, source: str) -> Iterator[Array]:
    """Give the images in order; DataError where one has not as many values as the first."""
    datum_reader = DatumReader(source)
    size = 0
    for start in range(0, total_count, RECORDS_PER_READ):
        for key, value in reader.read(min(RECORDS_PER_READ, total_count - start)):
            if start == 0 and size == 0 and _is_encoded(value):
                log.info("Decoding Datum")
            image, _ = datum_reader.read(key, value)
            size = size or image.size
            if image.size != size:
                name = key.decode(errors="backslashreplace")
                raise DataError(
                    f'{source}: record "{name}": Incorrect data field size {image.size}: the first has {size} values; '
                    "make the database with --resize_height and --resize_width"
                )
            yield image


def _is_encoded(value: bytes) -> bool:
    try:
        return caffe_pb2.Datum.FromString(value).encoded
    except DecodeError:  # of which the reader tells
        return False
