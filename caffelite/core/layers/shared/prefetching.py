"""What layers share that read batches ahead in threads. Source: src/caffe/layers/base_data_layer.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from caffelite.core import container
from caffelite.core.data.batch import Batch
from caffelite.core.data.pipeline import Work
from caffelite.core.data.prefetch import Prefetcher
from caffelite.core.data.workers import worker_count
from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer, State
from caffelite.proto import caffe_pb2

BLOB_OVERHEAD = 1024  # bytes, about: Python's objects and the alignment of a small blob


def check_prefetch(message: str, prefetch: int) -> None:
    """Raise LayerError if no batch is to be read ahead; `message` is the one whose field `prefetch` says it."""
    if prefetch < 1:
        raise LayerError(f"{message}.prefetch", prefetch, "use 1 or more batches (4 if left out)")


class Loader(Protocol):
    """Fills batches in threads, which must not keep the layer alive: so it is an object of its own."""

    def load(self, batch: Batch) -> Work | None:
        """Fill the blobs of the batch, one a top, and say in its state where the next batch begins.

        What takes long may be left, as Work, to several threads (the context's data_workers).
        """

    def set_state(self, state: dict[str, Any]) -> None:
        """Let the next batch begin where the state of another one says; no thread is running."""


class PrefetchingLayer(Layer):
    """Base of data layers with any number of tops: `loader` fills batches ahead, `forward` copies the next one.

    The `setup` of a subclass shapes the tops and sets `loader` and `batches_ahead`.

    records: positions in the source of what the last forward gave, if the loader says them.
    decodes: whether data_workers threads decode record by record.
    """

    decodes: ClassVar[bool] = True

    records: Sequence[int] = ()
    _waited = _first_waits = 0.0  # for prefetchers that were closed
    exact_num_bottom_blobs = 0
    has_backward = False

    loader: Loader
    batches_ahead: int
    first_state: State = {"position": 0}  # before any batch
    _prefetcher: Prefetcher[Batch] | None = None  # while it reads ahead
    _state: State | None = None

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Do nothing: each batch shapes the tops."""

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Copy the next batch into the tops; the first time the thread starts, and again in a forked process."""
        if self._prefetcher is not None and self._prefetcher.has_lost_its_thread:
            self.set_state(self.get_state())
        if self._prefetcher is None:
            self._prefetcher = Prefetcher(
                self.loader.load, self._new_batches(top), worker_count(self.context.data_workers)
            )
        with self._prefetcher.batch() as batch:
            for blob, values in zip(top, batch.blobs, strict=True):
                blob.reshape_like(values)
                blob.data[...] = values.data
            self._state, self.records = batch.state, batch.records

    def _new_batches(self, top: Blobs) -> list[Batch]:
        """Return what is filled ahead; NetError if so many batches of the tops' sizes do not fit in memory."""
        size = sum(blob.count * self.dtype.itemsize + BLOB_OVERHEAD for blob in top)
        container.require(self.batches_ahead * size, f"reading {self.batches_ahead} batches ahead (prefetch)")
        return [Batch([self.new_blob() for _ in top]) for _ in range(self.batches_ahead)]

    @property
    def share(self) -> tuple[int, int]:
        """Rank and number of the solvers that share the records out: those that train together; in TEST each alone."""
        return (self.context.solver_rank, self.context.solver_count) if self.phase == caffe_pb2.TRAIN else (0, 1)

    @property
    def seconds_waited(self) -> float:
        """How long `forward` had to wait for batches that were not ready, the first one left out."""
        return self._waited + (0.0 if self._prefetcher is None else self._prefetcher.waited)

    @property
    def seconds_for_first(self) -> float:
        """How long `forward` waited for first batches, of the run and after each state that was taken up."""
        return self._first_waits + (0.0 if self._prefetcher is None else self._prefetcher.first_wait)

    @property
    def records_skipped(self) -> int:
        """How often a record that cannot be read was left out, from the start of the training to the last forward."""
        return int((self._state or {}).get("skipped", 0))

    def get_state(self) -> State:
        """Return where the next batch begins; what was read ahead but not used does not count."""
        return dict(self._state or self.first_state)

    def set_state(self, state: State) -> None:
        """Go on behind the batch that was used last."""
        self.close()
        self._state = dict(state)
        self.loader.set_state(state)

    def close(self) -> None:
        """Stop reading ahead."""
        if self._prefetcher is not None:
            self._prefetcher.close()
            self._waited += self._prefetcher.waited
            self._first_waits += self._prefetcher.first_wait
            self._prefetcher = None
