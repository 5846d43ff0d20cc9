"""How many threads a parallel kernel runs on, and a pool of them for a numba that is not known."""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import Any

import numba

from caffelite.core import container

log = logging.getLogger("caffelite")

_lost = False  # whether this process was forked from one that had started numba's threads
_told = False


def thread_count() -> int:
    """Return on how many threads a parallel kernel that is launched from this thread runs.

    numba's setting, which is a thread's own, but no more than the container may keep busy, since threads beyond that
    only wait for each other to be let run. NUMBA_NUM_THREADS, if it is set, is the user's word.

    1 in a process that was forked after the threads had started: it has none of them, and neither numba nor OpenMP can
    start them anew (a launch would end the process, or wait for ever). That is told once.
    """
    if _lost:
        _tell()
        return 1
    threads = int(numba.get_num_threads())
    quota = _quota()
    return threads if quota is None else min(threads, quota)


def _after_fork() -> None:
    global _lost
    _lost = _lost or _threads_started()


def _threads_started() -> bool:
    try:
        numba.threading_layer()
    except ValueError:  # numba's word for: not yet
        return False
    return True


def _tell() -> None:
    global _told
    if not _told:
        _told = True
        log.warning(
            "this process was forked after kernels had run on several threads; here they run on one. With the start "
            'method "spawn" or "forkserver" of multiprocessing a process gets threads of its own'
        )


os.register_at_fork(after_in_child=_after_fork)


@cache
def _quota() -> int | None:
    return None if "NUMBA_NUM_THREADS" in os.environ else container.cpu_quota()


def run_in_pool(share: Callable[..., Any], workers: int, args: tuple[Any, ...]) -> None:
    """Call share(*args, worker, workers) for each worker, the first in this thread, and wait for all of them.

    What a worker raises is raised here once all have ended.
    """
    others = [_pool().submit(share, *args, worker, workers) for worker in range(1, workers)]
    try:
        share(*args, 0, workers)
    finally:
        wait(others)
    for other in others:
        other.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="caffelite-kernel")
