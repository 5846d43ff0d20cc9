"""Batches: what the threads of a data layer fill. Source: src/caffe/layers/data_layer.cpp, load_batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from caffelite.core.blob import Blob, Shape
from caffelite.core.data.bad_records import BadRecords
from caffelite.core.data.database import LabelledImages
from caffelite.core.data.filling import Filling, chosen, one_by_one
from caffelite.core.data.share import Share
from caffelite.core.data.source import FetchingSource, Source, Undecoded
from caffelite.core.data.transformer import DataTransformer
from caffelite.core.errors import DataError

RECORDS_AT_ONCE = 64  # more would only take memory


@dataclass
class Batch:
    """One batch: a blob a top, and the state of a layer that has used it: where the next batch begins.

    records: the positions of the records in it, if its loader has such.
    """

    blobs: list[Blob]
    state: dict[str, Any] = field(default_factory=dict)
    records: Sequence[int] = ()


class ImageBatches:
    """Fills batches with a solver's records of a source; see Share.

    With `skip_bad` a record that cannot be read is left out: its solver takes its own next one instead, as if the
    source had been made without it; only the numbers k of the records, which crops and mirrors depend on, stay. How
    often that happened is "skipped" in the state. Otherwise its batch is the last: it raises the DataError.

    The pieces of a batch may be done by several threads (see Work); what is here by one thread at a time.
    """

    def __init__(
        self,
        source: Source[LabelledImages],
        transformer: DataTransformer,
        batch_size: int,
        solver_rank: int = 0,
        solver_count: int = 1,
        skip_bad: bool = False,
    ) -> None:
        self.transformer, self.size = transformer, batch_size
        self.bad_records = BadRecords(skip_bad, source.count)
        self.expected: Shape = (0, 0, 0)  # what images become
        self.label_shape: Shape = (batch_size,)  # of a batch: (batch_size, k) where records have k labels each
        self._source = source
        self._fetch = self._way_to_fetch(source)
        self._share = Share(solver_rank, solver_count)
        self._skipped = 0

    def get_state(self) -> dict[str, Any]:
        """Return where the next batch begins."""
        skipped = {"skipped": self._skipped} if self._skipped else {}
        return {"position": self._share.position, **skipped, **self._source.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Let the next batch begin where the state of another one says."""
        self._share.position, self._skipped = int(state["position"]), int(state.get("skipped", 0))
        own = ("position", "skipped")
        self._source.set_state({name: value for name, value in state.items() if name not in own})

    def image_shape(self) -> Shape:
        """Return the transformed shape, (C, H, W), of the source's first record, or the first that can be read.

        `label_shape` is known then, too.
        """
        for position in count():
            records = self._fetch(range(position, position + 1))
            self.bad_records.readable(records.keys)  # raises DataError if there is no end of bad ones
            if isinstance(records, LabelledImages):
                image, label = records.images[0], records.labels[0]
                break
            try:
                image, label = records.decode(records.keys[0], records.values[0])
                break
            except DataError as err:
                if not self.bad_records.skip:
                    raise
                self.bad_records.add(records.keys[0], err)
        self.label_shape = (self.size, *np.shape(label))
        self.expected = self.transformer.shape_of(image.shape)
        return self.expected

    def load(self, batch: Batch) -> Filling:
        """Begin to fill a batch: images and, if there are more blobs, labels.

        What follows raises DataError or LayerError.
        """
        return Filling(self, batch)

    def read_batch(self) -> Iterator[tuple[Sequence[int], LabelledImages | Undecoded]]:
        """Give the records of the next batch in portions, with their positions, without those known to be bad."""
        self.bad_records.begin()
        done = 0
        while done < self.size:
            wanted = self._share.take(min(self.size - done, RECORDS_AT_ONCE))
            records = self._fetch(wanted)
            places = self.bad_records.readable(records.keys)
            positions: Sequence[int] = wanted
            if places is not None:
                self._skipped += len(wanted) - len(places)
                positions, records = [wanted[place] for place in places], chosen(records, places)
            if positions:
                yield positions, records
            done += len(positions)

    def _way_to_fetch(self, source: Source[LabelledImages]) -> Callable[[range], LabelledImages | Undecoded]:
        if isinstance(source, FetchingSource):
            fetch: Callable[[range], LabelledImages | Undecoded] = source.fetch
            return fetch
        return partial(one_by_one, source) if self.bad_records.skip else source.read
