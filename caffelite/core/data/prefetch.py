"""Reading ahead in threads. Source: include/caffe/internal_thread.hpp, src/caffe/layers/base_data_layer.cpp."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from caffelite.core.data.pipeline import End, Load, Pipeline, running

log = logging.getLogger("caffelite")

Buffer = TypeVar("Buffer")

SECONDS_AT_EXIT = 5  # how long the end of the program, and a fork, wait for a batch that is being read


class Prefetcher(Generic[Buffer]):
    """Fills buffers in threads, in order, as many ahead as there are buffers.

    `load` fills one buffer, or returns Work that is left to do: up to `workers` threads do its pieces, also of several
    buffers at once. What goes wrong comes out of the `batch()` that would have given that buffer, and out of all later
    ones. The threads end with `close`, when the prefetcher is collected, or with the program.

    A forked process has no threads but the one that forked: there the prefetcher `has_lost_its_thread`, and another one
    must be made. No batch is being read while the process forks, so that what `load` uses is whole in the child.

    waited: seconds for which `batch()` had to wait, without the first time, which took `first_wait` seconds.
    """

    def __init__(self, load: Load[Buffer], buffers: list[Buffer], workers: int = 1) -> None:
        # The threads get no reference to the prefetcher, so that one that nobody uses can be collected.
        self._pipeline = Pipeline(load, buffers, workers)
        self._process = os.getpid()
        weakref.finalize(self, self._pipeline.stop).atexit = False  # _close_all does it, and waits
        self._takes = self._waits = 0
        self.waited = self.first_wait = 0.0
        _running.add(self)

    @property
    def has_lost_its_thread(self) -> bool:
        """Whether this is a process that was forked from the one whose threads filled the buffers."""
        return os.getpid() != self._process

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads, that which reads first; workers are there from the first piece of work on."""
        return list(self._pipeline.threads)

    @contextmanager
    def batch(self) -> Iterator[Buffer]:
        """Give the next buffer, filled; it is refilled as soon as the `with` block ends."""
        taken = self._take()
        if isinstance(taken, End):
            self._pipeline.full.put(taken)
            raise taken.error
        try:
            yield taken
        finally:
            self._pipeline.free.put(taken)

    def _take(self) -> Buffer | End:
        full = self._pipeline.full
        start = time.perf_counter()
        self._takes += 1
        if self._takes == 1:  # it has to be waited for in any case
            taken = full.get()
            self.first_wait = time.perf_counter() - start
            return taken
        if not full.empty():
            return full.get()
        if self._waits % 1000 == 0:
            log.info("Waiting for data")
        self._waits += 1
        try:
            return full.get()
        finally:
            self.waited += time.perf_counter() - start

    def stop(self) -> None:
        """Let the threads end."""
        self._pipeline.stop()

    def close(self) -> None:
        """Stop the threads and wait for what they are doing."""
        self.stop()
        if self.has_lost_its_thread:
            return
        for thread in self._pipeline.threads:  # the first starts the others: when it has ended, they are all there
            if thread is not threading.current_thread():
                thread.join()

    def pause(self, timeout: float) -> bool:
        """Let no buffer be filled until `go_on`; False if one is still being filled after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        held: list[threading.RLock] = []
        for lock in self._pipeline.locks:  # while the reader's, the first, is held, no other is added
            if not lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                for other in held:
                    other.release()
                return False
            held.append(lock)
        return True

    def go_on(self) -> None:
        """End the pause."""
        for lock in self._pipeline.locks:
            lock.release()


_running: weakref.WeakSet[Prefetcher[Any]] = weakref.WeakSet()


_forking = threading.local()  # `paused`: what this thread holds while it forks; None, or missing, if it does not


def _before_fork() -> None:
    if getattr(_forking, "paused", None) is None:  # hooks may be there more than once
        alive = [prefetcher for prefetcher in list(_running) if not prefetcher.has_lost_its_thread]
        _forking.paused = [prefetcher for prefetcher in alive if prefetcher.pause(SECONDS_AT_EXIT)]


def _after_fork() -> None:
    for prefetcher in getattr(_forking, "paused", None) or ():
        prefetcher.go_on()
    _forking.paused = None


def pause_before_other_hooks() -> None:
    """Let a fork pause the threads before it runs the hooks that other modules have registered up to now.

    To be called when a library is loaded that holds a lock of its own while the process forks, as h5py does: threads
    that wait for that lock could not be paused any more.
    """
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)  # last in, first


pause_before_other_hooks()


@atexit.register
def _close_all() -> None:
    """Wait for the threads: one that decodes an image while OpenCV is taken down would crash the process."""
    deadline = time.monotonic() + SECONDS_AT_EXIT
    for prefetcher in list(_running):
        prefetcher.stop()
    for thread in list(running):  # also those of prefetchers that were collected, which do a last piece of work
        thread.join(max(0.0, deadline - time.monotonic()))
