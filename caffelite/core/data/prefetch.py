"""Reading ahead in a thread. Source: include/caffe/internal_thread.hpp, src/caffe/layers/base_data_layer.cpp."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

log = logging.getLogger("caffelite")

Buffer = TypeVar("Buffer")

SECONDS_AT_EXIT = 5  # how long the end of the program waits for a batch that is being read


class _End(NamedTuple):
    """What follows the last batch."""

    error: BaseException


class Prefetcher(Generic[Buffer]):
    """Fills buffers in a thread, in order, as many ahead as there are buffers.

    `load` fills one buffer. What it raises comes out of the `batch()` that would have given that buffer, and out of all
    later ones. The thread ends with `close`, when the prefetcher is collected, or with the program.
    """

    def __init__(self, load: Callable[[Buffer], None], buffers: list[Buffer]) -> None:
        # SimpleQueue: its put is safe when the garbage collector calls it in the middle of another put.
        self._free: SimpleQueue[Buffer | None] = SimpleQueue()
        self._full: SimpleQueue[Buffer | _End] = SimpleQueue()
        for buffer in buffers:
            self._free.put(buffer)
        self._stopping = threading.Event()
        # The thread gets no reference to the prefetcher, so that one that nobody uses can be collected.
        self._thread = threading.Thread(
            target=_run, args=(load, self._free, self._full, self._stopping), name="caffelite-prefetch", daemon=True
        )
        weakref.finalize(self, _stop, self._stopping, self._free).atexit = False  # _close_all does it, and waits
        self._takes = self._waits = 0
        _running.add(self)
        self._thread.start()

    @contextmanager
    def batch(self) -> Iterator[Buffer]:
        """Give the next buffer, filled; it is refilled as soon as the `with` block ends."""
        if self._full.empty() and self._takes:  # the first has to be waited for in any case
            if self._waits % 1000 == 0:
                log.info("Waiting for data")
            self._waits += 1
        self._takes += 1
        taken = self._full.get()
        if isinstance(taken, _End):
            self._full.put(taken)
            raise taken.error
        try:
            yield taken
        finally:
            self._free.put(taken)

    def close(self, timeout: float | None = None) -> None:
        """Stop the thread and wait, at most `timeout` seconds, for the batch that it is reading."""
        _stop(self._stopping, self._free)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)


def _run(
    load: Callable[[Buffer], None],
    free: SimpleQueue[Buffer | None],
    full: SimpleQueue[Buffer | _End],
    stopping: threading.Event,
) -> None:
    end: BaseException = RuntimeError("no more batches: the layer was closed")
    try:
        while (buffer := free.get()) is not None and not stopping.is_set():
            load(buffer)
            full.put(buffer)
    except BaseException as err:  # whatever it is, the thread that waits for the batch must hear of it
        end = err
    full.put(_End(end))


def _stop(stopping: threading.Event, free: SimpleQueue[Buffer | None]) -> None:
    stopping.set()
    free.put(None)


_running: weakref.WeakSet[Prefetcher[Any]] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Wait for the threads: one that decodes an image while OpenCV is taken down would crash the process."""
    for prefetcher in list(_running):
        prefetcher.close(SECONDS_AT_EXIT)
