"""A database of images and labels in MNIST's files. Source: examples/mnist/convert_mnist_data.cpp."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.datum import raw_datum
from caffelite.core.errors import DataError
from caffelite.core.files import read_file
from caffelite.tools.backend import Progress, creating_database, require_backend, require_new

log = logging.getLogger("caffelite")

IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
RECORDS_PER_LINE = 1000  # of the log


def convert_mnist_data(images_file: Path, labels_file: Path, database: Path, backend: str, progress: Progress) -> int:
    """Make `database` of the images and labels and return their number; keys are numbers of eight digits from 0.

    Raises DataError for files that are none of MNIST's form, not whole, or of two lengths; OSError if one is missing.
    """
    require_backend(backend)
    images, labels = read_mnist(images_file, labels_file)
    require_new(database)
    log.info("A total of %d items.", len(images))
    log.info("Rows: %d Cols: %d", *images.shape[1:])
    with creating_database(database, backend) as writer:
        for image, label in zip(images, labels, strict=True):
            writer.put(b"%08d" % writer.count, raw_datum(image[np.newaxis], int(label)))
            if writer.count % RECORDS_PER_LINE == 0:
                log.info("Processed %d files.", writer.count)
            progress(writer.count, len(images))
    if writer.count % RECORDS_PER_LINE:
        log.info("Processed %d files.", writer.count)
    return writer.count


def read_mnist(images_file: Path, labels_file: Path) -> tuple[Array, Array]:
    """Return the images, (N, H, W) uint8, and their labels, (N) int8 as in Caffe; raises as convert_mnist_data."""
    images = _values(images_file, IMAGES_MAGIC, 3)
    labels = _values(labels_file, LABELS_MAGIC, 1).view(np.int8)
    if len(images) != len(labels):
        raise DataError(f"{images_file} holds {len(images)} images, and {labels_file} {len(labels)} labels")
    return images, labels


def _values(path: Path, magic: int, axes: int) -> Array:
    """Return the bytes of a file as an array; the header has the magic number and the sizes of the axes."""
    content = read_file(path)
    header = struct.Struct(f">{1 + axes}I")
    if content[:2] == b"\x1f\x8b":
        raise DataError(f"{path} is compressed; use gunzip first")
    if len(content) < header.size:
        raise DataError(f"{path} ends within its header: it has {len(content)} bytes")
    found, *sizes = header.unpack_from(content)
    if found != magic:
        raise DataError(f"{path}: the magic number is {found} and not {magic}; give IMAGES, then LABELS, then DB")
    count = int(np.prod(sizes, dtype=object))
    if len(content) != header.size + count:
        raise DataError(f"{path} has {len(content)} bytes and not {header.size + count}, which its header tells")
    values: Array = np.frombuffer(content, np.uint8, offset=header.size).reshape(sizes)
    return values
