"""Databases of CIFAR-10's binary files. Source: examples/cifar10/convert_cifar_data.cpp."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.datum import raw_datum
from caffelite.core.errors import DataError
from caffelite.core.files import read_file
from caffelite.tools.backend import Progress, creating_database, require_backend, require_new

log = logging.getLogger("caffelite")

SHAPE = (3, 32, 32)  # red, green and blue
RECORD = 1 + 3 * 32 * 32  # bytes, the first of which is the label
RECORDS = 10000  # of each file
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"


def convert_cifar_data(source: Path, target: Path, backend: str, progress: Progress) -> tuple[Path, Path]:
    """Make `target`/cifar10_train_lmdb and cifar10_test_lmdb, or _leveldb, of the files in `source`, and return both.

    Keys are numbers of five digits from 0. Raises DataError for a file that is missing or not whole.
    """
    require_backend(backend)
    train, test = target / f"cifar10_train_{backend}", target / f"cifar10_test_{backend}"
    require_new(train)
    require_new(test)
    batches = [_records(source / name) for name in (*TRAIN_FILES, TEST_FILE)]
    total = sum(map(len, batches))
    done = 0
    for database, text, parts in ((train, "Training", batches[:-1]), (test, "Testing", batches[-1:])):
        log.info("Writing %s data", text)
        with creating_database(database, backend) as writer:
            for number, records in enumerate(parts, 1):
                if database is train:
                    log.info("Training Batch %d", number)
                for record in records:
                    writer.put(b"%05d" % writer.count, raw_datum(record[1:].reshape(SHAPE), int(record[0])))
                    done += 1
                    progress(done, total)
    return train, test


def _records(path: Path) -> Array:
    try:
        content = read_file(path)
    except OSError as err:
        raise DataError(f"Unable to open {path}: {err.strerror}") from None
    if len(content) != RECORDS * RECORD:
        raise DataError(f"{path} has {len(content)} bytes and not {RECORDS * RECORD}: {RECORDS} images")
    values: Array = np.frombuffer(content, np.uint8).reshape(RECORDS, RECORD)
    return values
