"""How kernels are compiled: the options, the cache on disk and the lock are decided here, once.

`kernel` compiles a loop that runs on the calling thread. `parallel_kernel` compiles one worker's share of a loop:
calling it runs the shares on all threads, `.serial(...)` does all the work on the calling thread alone.

Compiled kernels are kept on disk; see cache.py. With a numba that
versions.py does not know, kernels are plain functions of numba's, and a pool of threads runs the parallel ones.
"""

import os
import threading
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar

import numba

from caffelite.core.errors import UsageError
from caffelite.core.kernels.jit.once import made_once
from caffelite.core.kernels.jit.threads import run_in_pool, thread_count
from caffelite.core.kernels.jit.versions import PUBLIC_OPTIONS, is_tested

if numba.config.DISABLE_JIT:
    raise UsageError(
        "NUMBA_DISABLE_JIT is set, but caffelite's kernels cannot run uncompiled: they use instructions of the "
        "processor that Python has no words for; unset it"
    )

if is_tested():
    from caffelite.core.kernels.jit.numba_compat import Kernel, launcher_of

F = TypeVar("F", bound=Callable[..., Any])

# numba's workqueue layer aborts the process when two threads launch parallel kernels at once, so only one ever does.
LAUNCH_LOCK = threading.Lock()

# GNU OpenMP lets idle workers spin for a good millisecond. Beside other busy programs that takes the time slices which
# the next launch then waits for: LeNet ran at 6 to 20 iterations a second, and at 40 to 80 with a short spin. libgomp
# reads this when it is loaded, which is when the first parallel kernel runs.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")


def kernel(function: F) -> F:
    """Compile `function` for the calling thread. It may be called from other kernels and from any thread."""
    compiled: Any = Kernel(function) if is_tested() else numba.njit(function, **PUBLIC_OPTIONS)
    result: F = compiled
    return result


def parallel_kernel(function: Callable[..., Any]) -> "ParallelKernel":
    """Compile `function(..., worker, workers)`, which does one worker's share of the work; see ParallelKernel."""
    return ParallelKernel(function)


class ParallelKernel:
    """A kernel in two forms: called, it runs on all threads, one launch at a time; `serial` is safe anywhere.

    The function gets `worker` and `workers` after the caller's arguments: in the serial form 0 and 1, else a worker's
    number and how many there are, which is thread_count(). It returns nothing.

    Small work should take `serial`: a parallel launch costs 2 us with OpenMP and 22 us with numba's own threads.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.share: Any = kernel(function)
        self._function = function

    def __call__(self, *args: Any) -> None:
        """Run on all threads."""
        # starts the threads, too, before any code that refers to them is loaded; more than there are cannot be launched
        workers = min(thread_count(), numba.config.NUMBA_NUM_THREADS)
        if workers == 1:
            self.share(*args, 0, 1)
            return
        if not is_tested():
            run_in_pool(self.share, workers, args)
            return
        with LAUNCH_LOCK:
            self.launcher(workers, *args)

    @made_once
    def launcher(self) -> Any:
        """Return the compiled function of the number of workers and the arguments that calls the threads."""
        return launcher_of(self.share, self._function)

    def serial(self, *args: Any) -> None:
        """Run on the calling thread."""
        self.share(*args, 0, 1)
