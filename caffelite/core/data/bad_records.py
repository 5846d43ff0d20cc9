"""Records that cannot be read: they end the run, or are left out and counted."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from caffelite.core.errors import DataError

log = logging.getLogger("caffelite")

MOST_NAMED = 10  # in the log
MOST_IN_A_ROW = 1000  # are no accident


class BadRecords:
    """What is known of the records that one layer leaves out; with `skip` false it leaves out none.

    Records are known by their keys, so that each is read in vain only once; what is left out does not depend on it.
    """

    def __init__(self, skip: bool, count: int | None, most_in_a_row: int = MOST_IN_A_ROW) -> None:
        """`count` is the number of records of the source, if that is known; `most_in_a_row` bad ones are an error."""
        self.skip, self._count = skip, count
        # A single good record may be the first of a shuffled round and the last of the next one.
        self._most = most_in_a_row if count is None else min(2 * count - 1, most_in_a_row)
        self._keys: set[bytes] = set()
        self._first: DataError | None = None
        self._in_a_row = 0

    def add(self, key: bytes, error: DataError) -> None:
        """Note that a record cannot be read, which is logged once."""
        if key in self._keys:
            return
        self._keys.add(key)
        self._first = self._first or error
        if len(self._keys) <= MOST_NAMED:
            log.warning("%s; the record is left out (on_bad_record: skip)", error)
        if len(self._keys) == MOST_NAMED:
            log.warning("Further records that cannot be read are left out without a word; they are counted")

    def begin(self) -> None:
        """Count bad records in a row from here on: a batch begins, maybe again."""
        self._in_a_row = 0

    def readable(self, keys: Sequence[bytes]) -> list[int] | None:
        """Return the places of the records that are not known to be bad; None if that is all.

        Raises DataError if all are bad, or so many in a row that there may be no others.
        """
        if not self._keys or self._keys.isdisjoint(keys):
            self._in_a_row = 0
            return None
        if len(self._keys) == self._count:
            raise DataError(f"none of the {self._count} records can be read; the first of them: {self._first}")
        places = [place for place, key in enumerate(keys) if key not in self._keys]
        self._in_a_row = len(keys) - 1 - places[-1] if places else self._in_a_row + len(keys)
        if self._in_a_row >= self._most:
            raise DataError(f"{self._in_a_row} records in a row cannot be read; the first of them all: {self._first}")
        return places
