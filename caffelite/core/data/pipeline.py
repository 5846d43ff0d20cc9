"""The threads that fill buffers: one begins them in order, workers fill them piece by piece, and they come in order."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

Buffer = TypeVar("Buffer")
running: weakref.WeakSet[threading.Thread] = weakref.WeakSet()  # of all pipelines; those that ended may be among them
Piece = Callable[[], None]
Task = tuple["Job[Any]", int, Piece]


class Work(Protocol):
    """What is left to do for a buffer after `load` has returned."""

    def pieces(self) -> Iterable[Piece]:
        """Give, as reading goes on, calls that several threads may make at once; what a piece raises is an error."""

    def finish(self) -> bool:
        """Complete the buffer, all pieces being done, in any thread; False if it has to be loaded anew.

        What it raises is the buffer's error.
        """

    def restart(self) -> None:
        """Let `load` begin with this buffer again, since `finish` said False; nothing is being loaded meanwhile."""


Load = Callable[[Buffer], "Work | None"]


class End(NamedTuple):
    """What follows the last buffer."""

    error: BaseException


class Job(Generic[Buffer]):
    """One buffer on its way. An error has the number of its piece: the lowest counts."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.work: Work | None = None
        self.open = 1  # pieces that are not done, and one for the beginning
        self.errors: list[tuple[int, BaseException]] = []
        self.cancelled = self.again = self.done = False

    @property
    def error(self) -> BaseException | None:
        """What the buffer's reader is to hear."""
        return min(self.errors, key=lambda numbered: numbered[0])[1] if self.errors else None


class Pipeline(Generic[Buffer]):
    """Takes buffers out of `free` and puts them, full and in the same order, into `full`; after an error an End.

    `load` is called by one thread, which reads in order; the pieces that it leaves are done by up to `workers` threads,
    started when the first piece comes. `locks` are held by the threads while they work, the reader's first.
    """

    def __init__(self, load: Load[Buffer], buffers: list[Buffer], workers: int) -> None:
        # SimpleQueue: its put is safe when the garbage collector calls it in the middle of another put. A True among
        # the free buffers means that the first job is to be loaded again, None that it is all over.
        self.free: SimpleQueue[Buffer | bool | None] = SimpleQueue()
        self.full: SimpleQueue[Buffer | End] = SimpleQueue()
        self.locks = [threading.RLock()]
        self.threads: list[threading.Thread] = []
        self._load, self._workers = load, workers
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._waiting: deque[Buffer] = deque()  # free, and not begun
        self._jobs: deque[Job[Buffer]] = deque()  # begun, and not yet in `full`
        self._lock = threading.Condition()  # of the jobs; told when one is done that was given up
        self._failed = False  # reading has: it begins nothing more
        self._ended = self._again = False
        self._stopping = threading.Event()
        for buffer in buffers:
            self.free.put(buffer)
        self._start_thread("caffelite-prefetch", self._run)

    def stop(self) -> None:
        """Let the threads end when they have done what they are doing."""
        self._stopping.set()
        self.free.put(None)

    def _start_thread(self, name: str, target: Callable[..., None], *args: Any) -> None:
        self.threads.append(threading.Thread(target=target, args=args, name=name, daemon=True))
        running.add(self.threads[-1])
        self.threads[-1].start()

    def _run(self) -> None:
        try:
            while (message := self.free.get()) is not None and not self._stopping.is_set():
                with self.locks[0]:
                    if message is True:
                        self._load_again()
                    else:
                        self._waiting.append(message)  # type: ignore[arg-type]
                    while self._waiting and not self._failed and not self._stopping.is_set():
                        self._begin(self._waiting.popleft())
        finally:
            for _ in self.threads[1:]:
                self._tasks.put(None)
            with self._lock:
                self._end(RuntimeError("no more batches: the layer was closed"))

    def _begin(self, buffer: Buffer) -> None:
        job = Job(buffer)
        with self._lock:
            self._jobs.append(job)
        number = 0
        try:
            job.work = self._load(buffer)
            for piece in job.work.pieces() if job.work is not None else ():
                with self._lock:
                    job.open += 1
                self._tasks.put((job, number, piece))
                number += 1
                if len(self.threads) <= min(number, self._workers):
                    self.locks.append(threading.RLock())
                    self._start_thread(f"caffelite-data-{len(self.threads)}", self._work, self.locks[-1])
        except BaseException as err:  # whatever it is, the thread that waits for the buffer must hear of it
            job.errors.append((number, err))
            self._failed = True
        self._count_down(job)

    def _work(self, lock: threading.RLock) -> None:
        while (task := self._tasks.get()) is not None:
            job, number, piece = task
            with lock:
                if not job.cancelled and not self._stopping.is_set():
                    try:
                        piece()
                    except BaseException as err:
                        job.errors.append((number, err))
                del piece, task  # they hold images
                self._count_down(job)

    def _count_down(self, job: Job[Buffer]) -> None:
        """Note that a piece is done; with the last one the job is finished, and what can be given out now is."""
        with self._lock:
            job.open -= 1
            if job.open:
                return
        if job.work is not None and not job.errors and not job.cancelled and not self._stopping.is_set():
            try:
                job.again = not job.work.finish()
            except BaseException as err:
                job.errors.append((0, err))
        with self._lock:
            job.done = True
            if job.cancelled:
                self._lock.notify_all()
            self._give_out()

    def _give_out(self) -> None:
        while self._jobs and self._jobs[0].done and not (self._again or self._ended):
            job = self._jobs[0]
            if job.again:
                self._again = True
                self.free.put(True)
                return
            self._jobs.popleft()
            if job.error is not None:
                self._end(job.error)
                self.free.put(None)
            elif not self._stopping.is_set():
                self.full.put(job.buffer)

    def _end(self, error: BaseException) -> None:
        if not self._ended:
            self._ended = True
            self.full.put(End(error))

    def _load_again(self) -> None:
        """Give up what was begun, and begin again with the buffer that has to be loaded anew."""
        with self._lock:
            jobs = list(self._jobs)
            for job in jobs:
                job.cancelled = True
            self._lock.wait_for(lambda: all(job.done for job in jobs))
        first = jobs[0].work
        assert first is not None
        first.restart()
        self._waiting.extendleft(job.buffer for job in reversed(jobs))
        with self._lock:
            self._jobs.clear()
            self._again = self._failed = False
