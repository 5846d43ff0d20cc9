"""Rows of several HDF5 files as a source, in their order or shuffled. Source: src/caffe/layers/hdf5_data_layer.cpp."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelite.core import container, random
from caffelite.core.blob import Array
from caffelite.core.data.bad_records import BadRecords
from caffelite.core.data.hdf5_rows import DamagedRows, Hdf5Rows
from caffelite.core.errors import DataError

log = logging.getLogger("caffelite")

WINDOW_BYTES = 64 << 20  # of shuffled rows that are fetched together, so that a chunk is unpacked for many of them


class _Epoch(NamedTuple):
    """The files of one round: their numbers in order, and the position of the first row of each, from the epoch's."""

    number: int
    files: list[int]
    starts: Array


class _Window(NamedTuple):
    """Shuffled rows that were fetched: those at `places` of a file's order that can be read."""

    visit: tuple[int, int]  # epoch and file
    places: range
    rows: Array  # their numbers in the file, which ascend
    arrays: list[Array]


class RowsOfFile(NamedTuple):
    """Rows of one file: an array a dataset, and the positions of the rows."""

    positions: Sequence[int]
    arrays: list[Array]


class Hdf5Source:
    """The rows of files one after the other, for ever. `shuffle`: the files, and the rows of each.

    Each round has an order of its own, a function of `seed`, `name` and the number of the round. Rows of different
    files are not mixed. One file is open at a time, and rows are read by slices. One thread at a time.
    """

    def __init__(self, files: Sequence[Hdf5Rows], shuffle: bool, seed: int, name: str, skip_bad: bool = False) -> None:
        self.count = sum(file.count for file in files)
        self.row_bytes = max(file.row_bytes for file in files)
        # Two rounds: thousands of rows can be lost with one chunk.
        self.bad_records = BadRecords(skip_bad, self.count, 2 * self.count - 1)
        self._files, self._shuffle, self._name = files, shuffle, name
        self._damages: list[list[DamagedRows]] = [[] for _ in files]  # as far as they were found out
        self._unreadable = [np.empty(0, np.int64) for _ in files]  # the rows of these, which ascend
        self._open: Hdf5Rows | None = None
        self.set_seed(seed)

    def set_seed(self, seed: int) -> None:
        """Draw orders with another seed from now on: that of the run which is resumed."""
        self._seed = seed
        self._epoch: _Epoch | None = None
        self._window: _Window | None = None
        self._row_order: tuple[tuple[int, int], Array] | None = None

    def read(self, positions: range) -> list[RowsOfFile]:
        """Return the rows at these positions in parts, one a file; without those that cannot be read.

        Raises DataError for the first one of these if they are not to be left out, or if there is no end of them.
        """
        parts = []
        while positions:
            number, offset = divmod(positions.start, self.count)
            epoch = self._epoch_of(number)
            turn = int(np.searchsorted(epoch.starts, offset, "right")) - 1
            file = epoch.files[turn]
            first = offset - int(epoch.starts[turn])
            here = min(len(positions), len(range(first, self._files[file].count, positions.step)))
            places = range(first, first + (here - 1) * positions.step + 1, positions.step)
            parts.append(self._rows((number, file), places, positions[:here]))
            positions = positions[here:]
        return parts

    def _epoch_of(self, number: int) -> _Epoch:
        if self._epoch is None or self._epoch.number != number:
            files = list(range(len(self._files)))
            if self._shuffle:
                files = random.generator(self._seed, self._name, "files", number).permutation(len(files)).tolist()
            counts = [self._files[file].count for file in files]
            self._epoch = _Epoch(number, files, np.cumsum([0, *counts[:-1]], dtype=np.int64))
        return self._epoch

    def _rows(self, visit: tuple[int, int], places: range, positions: range) -> RowsOfFile:
        number = visit[1]
        if self._open is not self._files[number]:
            self.close()
            self._open = self._files[number]
        if self._shuffle:
            window = self._window
            if not (window and window.visit == visit and places.start in window.places and _within(places, window)):
                window = self._fetched(visit, places)
            rows, found, arrays = self._order(visit)[_slice(places)], window.rows, window.arrays
        else:
            rows = np.arange(places.start, places.stop, places.step)
            found, arrays = self._read(number, rows)
        kept = self._kept(number, rows)
        if kept is not None:
            wanted = np.searchsorted(found, rows[kept])
            return RowsOfFile([positions[place] for place in kept], [values[wanted] for values in arrays])
        if self._shuffle:
            wanted = np.searchsorted(found, rows)
            arrays = [values[wanted] for values in arrays]
        return RowsOfFile(positions, arrays)

    def _kept(self, number: int, rows: Array) -> list[int] | None:
        """Return which of a file's rows can be read; None if all can.

        Raises DataError for the first that cannot, if it is not to be left out.
        """
        bad = rows[_among(rows, self._unreadable[number])]
        if not len(bad):
            self.bad_records.begin()
            return None
        if not self.bad_records.skip:
            raise next(damage.error(bad[0]) for damage in self._damages[number] if bad[0] in damage.rows)
        return self.bad_records.readable([_key(number, row) for row in rows.tolist()])

    def _fetched(self, visit: tuple[int, int], places: range) -> _Window:
        file = self._files[visit[1]]
        length = max(len(places), WINDOW_BYTES // file.row_bytes)
        wide = range(places.start, min(file.count, places.start + length * places.step), places.step)
        self._window = None  # its memory is free for the next one
        self._window = _Window(visit, wide, *self._read(visit[1], np.sort(self._order(visit)[_slice(wide)])))
        return self._window

    def _read(self, number: int, rows: Array) -> tuple[Array, list[Array]]:
        """Return those of a file's rows, which ascend, that can be read: their numbers, and an array a dataset."""
        file = self._files[number]
        while True:
            rows = rows[~_among(rows, self._unreadable[number])]
            try:
                return rows, file.read(rows)
            except DataError:
                damages = file.unreadable(rows)
                if not damages:
                    raise
            self._damages[number] += damages
            self._unreadable[number] = np.unique(np.concatenate([damage.rows for damage in self._damages[number]]))
            if self.bad_records.skip:
                for damage in damages:
                    for row in damage.rows.tolist():
                        self.bad_records.add(_key(number, row), damage.error(row))

    def _order(self, visit: tuple[int, int]) -> Array:
        """Return the order of the rows of a file in an epoch."""
        if self._row_order is None or self._row_order[0] != visit:
            self._row_order = None
            count = self._files[visit[1]].count
            container.require(2 * 8 * count, f"shuffling the {count} rows of {self._files[visit[1]].path}")
            generator = random.generator(self._seed, self._name, "rows", *visit)
            self._row_order = visit, generator.permutation(count)
        return self._row_order[1]

    def get_state(self) -> dict[str, Any]:
        """Return the number of rows: with another one the order would be another."""
        return {"rows": self.count}

    def set_state(self, state: dict[str, Any]) -> None:
        """Warn if the state is of files with other numbers of rows."""
        before = int(state.get("rows", self.count))
        if before != self.count:
            log.warning(
                "layer %s: the HDF5 files hold %d rows now and held %d when the state was written: "
                "the order of rows is not that of the first run",
                self._name,
                self.count,
                before,
            )

    def close(self) -> None:
        """Close the file that is open."""
        if self._open is not None:
            self._open.close()
            self._open = None


def _within(places: range, window: _Window) -> bool:
    return places.step == window.places.step and places[-1] in window.places


def _slice(places: range) -> slice:
    return slice(places.start, places.stop, places.step)


def _among(rows: Array, known: Array) -> Array:
    """Return of each of the rows whether it is among the known ones, which ascend."""
    if not len(known):
        return np.zeros(len(rows), bool)
    found: Array = known[np.minimum(np.searchsorted(known, rows), len(known) - 1)] == rows
    return found


def _key(number: int, row: int) -> bytes:
    return b"%d %d" % (number, row)
