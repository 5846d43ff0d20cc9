"""CPU and GPU: everything runs on the CPU; who asks for a GPU is told once."""

import logging
import operator
from typing import SupportsIndex

log = logging.getLogger("caffelite")

_warned = False


def set_mode_cpu() -> None:
    """Compute on the CPU, which is what always happens."""


def set_mode_gpu() -> None:
    """Warn, once in a process, that caffelite computes on the CPU."""
    global _warned
    if not _warned:
        log.warning("caffelite has no GPU code: it computes on the CPU, with all cores.")
        _warned = True


def set_device(device: SupportsIndex) -> None:
    """Do as `set_mode_gpu`, whatever the number of the GPU; Caffe without GPU code ends the process here."""
    operator.index(device)
    set_mode_gpu()
