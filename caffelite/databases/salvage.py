"""The records of a damaged database that can still be read, by their places among these."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from caffelite.core.data.lmdb_records import Record
from caffelite.core.errors import DataError

Found = Record | DataError  # the error stands for the records that were lost between two others


class Salvage:
    """What `read` gives of a database, again from its start where places before the last ones are asked for."""

    def __init__(self, read: Callable[[], Iterator[Found]]) -> None:
        self._read = read
        self._running: Iterator[Found] | None = None
        self._place = 0  # of the record that comes next
        self._before = b""  # the key of the last one, b"" for none
        self._ahead: Found | None = None  # what was read and not given

    def count(self) -> int:
        """Return how many records can be read."""
        return sum(not isinstance(found, DataError) for found in self._read())

    def between(self, start: int, stop: int) -> Iterator[tuple[int, bytes, Found]]:
        """Give place, the key before, and a record or its error, from `start` to before `stop`; errors also at `stop`.

        What was lost is given once, even if it lies between two ranges that follow each other.
        """
        if self._running is None or start < self._place:
            self._begin()
        while self._ahead is not None and (self._place < stop or isinstance(self._ahead, DataError)):
            found = place, _, record = self._place, self._before, self._ahead
            self._step()
            if place >= start:
                yield found

    def close(self) -> None:
        """Let what `read` gives end."""
        self._running = None

    def _begin(self) -> None:
        self._running = self._read()
        self._place, self._before = 0, b""
        self._ahead = next(self._running, None)

    def _step(self) -> None:
        assert self._running is not None
        if isinstance(self._ahead, tuple):
            self._place += 1
            self._before = self._ahead[0]
        self._ahead = next(self._running, None)
