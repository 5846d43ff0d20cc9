"""Databases of data sets: made whole, and only if they are not there yet."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from caffelite.core.blob import Array
from caffelite.core.data.datum import raw_datum
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import DatabaseExistsError, Record, write_lmdb
from caffelite.core.errors import DataError
from caffelite.core.files import Kind, UnreachableError, kind_of
from caffelite.datasets.progress import Progress

log = logging.getLogger("caffelite")


def is_complete(folder: Path, records: int) -> bool:
    """Whether the database `folder` is there with this many records; DataError if something else is there."""
    try:
        if kind_of(folder) is Kind.NOTHING:
            return False
    except UnreachableError as err:
        raise DataError(f"{folder}: {err}") from None
    found = LmdbReader(folder).entries
    if found != records:
        raise DataError(f"{folder} holds {found} records instead of {records}; delete it and make it again")
    log.info("%s is already there (%d records); left alone", folder, found)
    return True


def write_images(folder: Path, images: Array, labels: Iterable[int], digits: int) -> None:
    """Make the database `folder` of `images`, (N, C, H, W) uint8, in their order; keys are decimals of `digits` digits.

    One that is already there, complete, is left alone.
    """
    if is_complete(folder, len(images)):
        return
    try:
        log.debug("%s: %d records", folder, write_lmdb(folder, _records(folder, images, labels, digits)))
    except DatabaseExistsError:
        if not is_complete(folder, len(images)):  # else another program made it meanwhile
            raise


def _records(folder: Path, images: Array, labels: Iterable[int], digits: int) -> Iterator[Record]:
    log.info("Writing %s (%d records)", folder, len(images))
    progress = Progress(f"Writing {folder}", len(images), "records")
    for index, image, label in zip(count(), images, labels):
        yield b"%0*d" % (digits, index), raw_datum(image, int(label))
        progress.reached(index + 1)
