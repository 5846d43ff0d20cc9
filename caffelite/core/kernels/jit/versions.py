"""Which versions of numba are known from inside, and what is done with any other.

numba_compat.py uses parts of numba that may change. It is only imported with a version in TESTED. With any other there
is one warning, and kernels go the public way: compiled anew in every process, and run by a pool of Python threads.
That is slower to start and the same otherwise.
"""

import os
import re
import warnings
from functools import cache

import numba
from llvmlite import binding

PUBLIC_OPTIONS = {
    "nogil": True,  # prefetching threads go on while a kernel runs
    "error_model": "numpy",  # x / 0 is inf or nan as in C; the check for it would keep loops from vectorising
}

TESTED = ((0, 59), (0, 68))  # the first and the last


@cache
def is_tested() -> bool:
    """Whether this numba is one of those whose inner parts are known; says once if it is not."""
    version = tuple(int(number) for number in re.findall(r"\d+", numba.__version__)[:2])
    if TESTED[0] <= version <= TESTED[1]:
        return True
    first, last = (".".join(map(str, limit)) for limit in TESTED)
    warnings.warn(
        f"numba {numba.__version__} is none of those that caffelite was tested with ({first} to {last}): kernels are "
        "compiled anew in every process; install one of these to keep them",
        stacklevel=2,
    )
    return False


def target_features() -> frozenset[str]:
    """Return the features of the CPU, in LLVM's names, that numba makes code for; NUMBA_CPU_FEATURES changes them."""
    if is_tested():
        from caffelite.core.kernels.jit.numba_compat import written_features

        return _with_plus(written_features())
    chosen = os.environ.get("NUMBA_CPU_FEATURES")
    if chosen is not None or "NUMBA_CPU_NAME" in os.environ:
        return _with_plus(chosen or "")  # of another CPU by its name alone nothing is taken for granted
    known = binding.get_host_cpu_features()
    use_avx = os.environ.get("NUMBA_ENABLE_AVX", "1") != "0"
    return frozenset(name for name, has in known.items() if has and (use_avx or not name.startswith("avx")))


def _with_plus(features: str) -> frozenset[str]:
    return frozenset(name[1:] for name in features.split(",") if name.startswith("+"))
