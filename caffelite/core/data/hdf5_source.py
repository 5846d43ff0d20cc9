"""Rows of several HDF5 files as a source, in their order or shuffled. Source: src/caffe/layers/hdf5_data_layer.cpp."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelite.core import container, random
from caffelite.core.blob import Array
from caffelite.core.data.hdf5_rows import Hdf5Rows

log = logging.getLogger("caffelite")

WINDOW_BYTES = 64 << 20  # of shuffled rows that are fetched together, so that a chunk is unpacked for many of them


class _Epoch(NamedTuple):
    """The files of one round: their numbers in order, and the position of the first row of each, from the epoch's."""

    number: int
    files: list[int]
    starts: Array


class _Window(NamedTuple):
    """Shuffled rows that were fetched: those at `places` of a file's order, as arrays in the order of the file.

    `ranks` says for each place where its row is in the arrays.
    """

    visit: tuple[int, int]  # epoch and file
    places: range
    arrays: list[Array]
    ranks: Array


class Hdf5Source:
    """The rows of files one after the other, for ever; see Source. `shuffle`: the files, and the rows of each.

    Each round has an order of its own, a function of `seed`, `name` and the number of the round. Rows of different
    files are not mixed. One file is open at a time, and rows are read by slices.
    """

    def __init__(self, files: Sequence[Hdf5Rows], shuffle: bool, seed: int, name: str) -> None:
        self.count = sum(file.count for file in files)
        self.row_bytes = max(file.row_bytes for file in files)
        self._files, self._shuffle, self._name = files, shuffle, name
        self._open: Hdf5Rows | None = None
        self.set_seed(seed)

    def set_seed(self, seed: int) -> None:
        """Draw orders with another seed from now on: that of the run which is resumed."""
        self._seed = seed
        self._epoch: _Epoch | None = None
        self._window: _Window | None = None
        self._row_order: tuple[tuple[int, int], Array] | None = None

    def read(self, positions: range) -> list[list[Array]]:
        """Return the rows at these positions in parts, one a file: of each part an array a dataset."""
        parts = []
        while positions:
            number, offset = divmod(positions.start, self.count)
            epoch = self._epoch_of(number)
            turn = int(np.searchsorted(epoch.starts, offset, "right")) - 1
            file = epoch.files[turn]
            first = offset - int(epoch.starts[turn])
            here = min(len(positions), len(range(first, self._files[file].count, positions.step)))
            places = range(first, first + (here - 1) * positions.step + 1, positions.step)
            parts.append(self._rows((number, file), places))
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

    def _rows(self, visit: tuple[int, int], places: range) -> list[Array]:
        file = self._files[visit[1]]
        if self._open is not file:
            self.close()
            self._open = file
        if not self._shuffle:
            return file.read(np.arange(places.start, places.stop, places.step))
        window = self._window
        if window is None or window.visit != visit or places.start not in window.places or not _within(places, window):
            window = self._window = self._fetched(visit, places)
        start = window.places.index(places.start)
        ranks = window.ranks[start : start + len(places)]
        return [values[ranks] for values in window.arrays]

    def _fetched(self, visit: tuple[int, int], places: range) -> _Window:
        file = self._files[visit[1]]
        length = max(len(places), WINDOW_BYTES // file.row_bytes)
        wide = range(places.start, min(file.count, places.start + length * places.step), places.step)
        rows = self._order(visit)[wide.start : wide.stop : wide.step]
        in_file = np.argsort(rows)
        ranks = np.empty(len(rows), np.int64)
        ranks[in_file] = np.arange(len(rows))
        self._window = None  # its memory is free for the next one
        return _Window(visit, wide, file.read(rows[in_file]), ranks)

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
