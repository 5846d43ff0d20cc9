"""What can still be read of a LevelDB database with damaged blocks or tables, record by record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from caffelite.core.data.leveldb_copy import OpenCopy, text_of
from caffelite.core.data.lmdb_records import Record
from caffelite.core.data.plyvel import plyvel
from caffelite.core.errors import DataError
from caffelite.databases.record import key_text


def read_past_damage(folder: Path) -> Iterator[Record | DataError]:
    """Give the records in the order of keys, and an error in place of those that are lost between two of them.

    How many these were cannot be told. Raises DataError if the database cannot be opened.
    """
    with closing(OpenCopy(folder)) as copy:
        iterator = copy.iterator
        problem = _problem_of(iterator.seek_to_first)
        told = False
        while True:
            if problem and not told:
                yield DataError(f"{problem}; {_next_of(iterator)}")
            if not iterator.valid():
                return
            if problem:
                # LevelDB went on behind what it could not read, but repeats the error with each step: an iterator that
                # begins here tells what comes. Where tables overlap it may run into the same damage at once.
                key, iterator = iterator.key(), copy.new_iterator()
                told = bool(_problem_of(iterator.seek, key))
            yield iterator.item()
            problem = _problem_of(iterator.next)


def _problem_of(move: Callable[..., None], *key: bytes) -> str:
    """Move an iterator; return what LevelDB says then, "" if nothing is wrong."""
    try:
        move(*key)
    except plyvel().Error as err:
        return text_of(err)
    return ""


def _next_of(iterator: Any) -> str:
    if not iterator.valid():
        return "no record after these can be read"
    return f'the next one that can be read is "{key_text(iterator.key())}"'
