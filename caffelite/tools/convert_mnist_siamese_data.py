"""A database of random pairs of MNIST's images. Source: examples/siamese/convert_mnist_siamese_data.cpp."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from caffelite.core.data.datum import raw_datum
from caffelite.core.random import generator
from caffelite.tools.backend import Progress, creating_database, require_backend, require_new
from caffelite.tools.convert_mnist_data import read_mnist

log = logging.getLogger("caffelite")

SEED = 1


def convert_mnist_siamese_data(
    images_file: Path, labels_file: Path, database: Path, backend: str, progress: Progress
) -> int:
    """Make `database` of as many pairs as there are images, and return their number; keys have eight digits, from 0.

    Both images of a pair, the two channels of its record, are drawn alike and with replacement; its label is 1 if
    theirs are equal, else 0. The same number of images gives the same pairs (Caffe's differ from run to run). Raises as
    convert_mnist_data.
    """
    require_backend(backend)
    images, labels = read_mnist(images_file, labels_file)
    require_new(database)
    log.info("A total of %d items.", len(images))
    log.info("Rows: %d Cols: %d", *images.shape[1:])
    first, second = generator(SEED, "convert_mnist_siamese_data").integers(len(images), size=(2, len(images)))
    with creating_database(database, backend) as writer:
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            pair = np.stack([images[one], images[other]])
            writer.put(b"%08d" % writer.count, raw_datum(pair, int(labels[one] == labels[other])))
            progress(writer.count, len(images))
    return writer.count
