"""Reading ahead in a thread. Source: include/caffe/internal_thread.hpp, src/caffe/layers/base_data_layer.cpp."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

log = logging.getLogger("caffelite")

Buffer = TypeVar("Buffer")

SECONDS_AT_EXIT = 5  # how long the end of the program, and a fork, wait for a batch that is being read


class _End(NamedTuple):
    """What follows the last batch."""

    error: BaseException


class Prefetcher(Generic[Buffer]):
    """Fills buffers in a thread, in order, as many ahead as there are buffers.

    `load` fills one buffer. What it raises comes out of the `batch()` that would have given that buffer, and out of all
    later ones. The thread ends with `close`, when the prefetcher is collected, or with the program.

    A forked process has no threads but the one that forked: there the prefetcher `has_lost_its_thread`, and another one
    must be made. No batch is being read while the process forks, so that what `load` uses is whole in the child.
    """

    def __init__(self, load: Callable[[Buffer], None], buffers: list[Buffer]) -> None:
        # SimpleQueue: its put is safe when the garbage collector calls it in the middle of another put.
        self._free: SimpleQueue[Buffer | None] = SimpleQueue()
        self._full: SimpleQueue[Buffer | _End] = SimpleQueue()
        for buffer in buffers:
            self._free.put(buffer)
        self._stopping = threading.Event()
        self._loading = threading.RLock()  # of the thread while it fills a buffer
        self._process = os.getpid()
        # The thread gets no reference to the prefetcher, so that one that nobody uses can be collected.
        self._thread = threading.Thread(
            target=_run,
            args=(load, self._free, self._full, self._stopping, self._loading),
            name="caffelite-prefetch",
            daemon=True,
        )
        weakref.finalize(self, _stop, self._stopping, self._free).atexit = False  # _close_all does it, and waits
        self._takes = self._waits = 0
        _running.add(self)
        self._thread.start()

    @property
    def has_lost_its_thread(self) -> bool:
        """Whether this is a process that was forked from the one whose thread filled the buffers."""
        return os.getpid() != self._process

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
        if self._thread is not threading.current_thread() and not self.has_lost_its_thread:
            self._thread.join(timeout)

    def pause(self, timeout: float) -> bool:
        """Let no buffer be filled until `go_on`; False if one is still being filled after `timeout` seconds."""
        return self._loading.acquire(timeout=timeout)

    def go_on(self) -> None:
        """End the pause."""
        self._loading.release()


def _run(
    load: Callable[[Buffer], None],
    free: SimpleQueue[Buffer | None],
    full: SimpleQueue[Buffer | _End],
    stopping: threading.Event,
    loading: threading.RLock,
) -> None:
    end: BaseException = RuntimeError("no more batches: the layer was closed")
    try:
        while (buffer := free.get()) is not None and not stopping.is_set():
            with loading:
                load(buffer)
            full.put(buffer)
    except BaseException as err:  # whatever it is, the thread that waits for the batch must hear of it
        end = err
    full.put(_End(end))


def _stop(stopping: threading.Event, free: SimpleQueue[Buffer | None]) -> None:
    stopping.set()
    free.put(None)


_running: weakref.WeakSet[Prefetcher[Any]] = weakref.WeakSet()


_forking = threading.local()  # `paused`: what this thread holds while it forks


def _before_fork() -> None:
    alive = [prefetcher for prefetcher in list(_running) if not prefetcher.has_lost_its_thread]
    _forking.paused = [prefetcher for prefetcher in alive if prefetcher.pause(SECONDS_AT_EXIT)]


def _after_fork() -> None:
    for prefetcher in _forking.paused:
        prefetcher.go_on()
    _forking.paused = []


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


@atexit.register
def _close_all() -> None:
    """Wait for the threads: one that decodes an image while OpenCV is taken down would crash the process."""
    for prefetcher in list(_running):
        prefetcher.close(SECONDS_AT_EXIT)
