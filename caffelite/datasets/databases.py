"""Databases of data sets: made whole, and only if they are not there yet."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from caffelite.core.blob import Array
from caffelite.core.data.datum import raw_datum
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.errors import DataError

log = logging.getLogger("caffelite")


@contextmanager
def only_maker(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """Let one process at a time make databases in `folder`, which is made; the others wait for it.

    Also removes what killed makers left of the databases `names`. Raises DataError if the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as err:
        raise DataError(f"cannot make the folder {folder}: {err.strerror}") from err
    try:
        if _lock(descriptor, folder):
            _remove_leftovers(folder, names)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> bool:
    """Lock the folder until its descriptor is closed or the process ends; False if the file system has no locks."""
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("Another process makes databases in %s: waiting for it", folder)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as err:
        log.debug("%s cannot be locked (%s): others may make the same databases", folder, err)
        return False
    return True


def _remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove unfinished databases; whoever holds the lock of the folder knows that nobody is writing them."""
    unfinished = re.compile(rf"\.({'|'.join(map(re.escape, names))})-[0-9a-f]{{8}}")
    for path in folder.iterdir():
        if unfinished.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)  # what cannot be removed is in nobody's way


def is_complete(folder: Path, records: int) -> bool:
    """Whether the database `folder` is there with this many records; DataError if something else is there."""
    if not folder.exists():
        return False
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
    numbered = zip(count(), images, labels)
    records = ((b"%0*d" % (digits, index), raw_datum(image, int(label))) for index, image, label in numbered)
    try:
        made = write_lmdb(folder, records)
    except DataError:
        if not is_complete(folder, len(images)):  # else another maker was quicker
            raise
    else:
        log.debug("%s: %d records", folder, made)
