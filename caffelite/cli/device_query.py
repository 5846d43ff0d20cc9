"""`caffelite device_query`: the processor that nets run on. Source: tools/caffe.cpp, device_query()."""

import logging

from caffelite.cli import hardware
from caffelite.cli.command import Arguments, command
from caffelite.cli.options import GPU, use_cpu

LOGGER = logging.getLogger("caffelite")
LABEL = 31  # columns, as in Caffe


@command("device_query", "show the processor and how caffelite uses it", flags=(GPU,), result_is_log=True)
def device_query(arguments: Arguments) -> None:
    """Log the processor's name, cores, vector instructions and caches, and numba's threads.

    caffelite device_query
    """
    use_cpu(arguments)
    for label, value in _facts():
        LOGGER.info("%-*s%s", LABEL, f"{label}:", value)


def _facts() -> list[tuple[str, str]]:
    from caffelite.core.kernels.jit.versions import target_features  # brings numba in

    unit = hardware.vector_unit(target_features())
    threads, layer = _threading()
    return [
        ("Name", hardware.cpu_model()),
        ("Cores", hardware.core_counts()),
        ("Vector instructions", unit.name),
        ("Vector width", f"{unit.bits} bits ({unit.bits // 32} float32)"),
        *((f"{level} cache", size) for level, size in hardware.caches().items()),
        ("Threads of a kernel", str(threads)),
        ("Threading layer", layer),
    ]


def _threading() -> tuple[int, str]:
    """Return how many threads a parallel kernel runs on, and which of numba's layers starts them."""
    import numba
    import numpy as np

    from caffelite.core.kernels.jit.threads import thread_count
    from caffelite.core.kernels.updates.loop import sums_of_squares

    # numba chooses its threading layer when the first parallel kernel runs
    sums_of_squares(np.zeros(1, np.float32), np.zeros((0, 3), np.int64), np.zeros(0, np.float32))
    return thread_count(), numba.threading_layer()
