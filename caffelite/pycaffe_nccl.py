"""NCCL, Caffe's way to train on several GPUs, which is not here: programs can ask whether it is."""

from __future__ import annotations

from typing import NoReturn

from caffelite.core.errors import UsageError


def has_nccl() -> bool:
    """Return False: there is no code for GPUs."""
    return False


class NCCL:
    """A name that programs import; UsageError for who makes one. There is no `new_uid`, as in Caffe without NCCL."""

    def __init__(self, solver: object, uid: object) -> NoReturn:
        raise UsageError(
            "NCCL joins solvers on several GPUs, and caffelite has no code for GPUs (has_nccl() is False): "
            "train with one solver"
        )
