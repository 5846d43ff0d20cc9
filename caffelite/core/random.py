"""Random numbers as a function of what they are for: seed, layer name, pass, record. There is no state to save."""

import hashlib
import operator
import secrets
from typing import SupportsIndex

import numpy as np

from caffelite.core.errors import UsageError

_process_seed: int | None = None


class SeedError(UsageError, OverflowError):
    """A seed is negative; pycaffe raises an OverflowError."""


def set_random_seed(seed: SupportsIndex) -> None:
    """Let nets made from now on draw the same numbers in each run; `seed` is any integer >= 0, else SeedError."""
    global _process_seed
    _process_seed = checked_seed(seed)


def checked_seed(seed: SupportsIndex) -> int:
    """Return the seed as Python's int; SeedError if it is negative, TypeError for what is no integer."""
    number = operator.index(seed)
    if number < 0:
        raise SeedError(f"the random seed is {number}; use 0 or more")
    return number


def process_seed() -> int:
    """Return the seed set by `set_random_seed`, or a fresh one."""
    return secrets.randbits(31) if _process_seed is None else _process_seed


def key(seed: int, *labels: object) -> int:
    """Return 64 bits that belong to these labels alone, as seed of a counter hash in a kernel."""
    return int.from_bytes(_digest(seed, labels)[:8], "little")


def generator(seed: int, *labels: object) -> np.random.Generator:
    """Return numpy's counter-based generator for these labels, at its start."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(seed, labels)[:16], "little")))


def _digest(seed: int, labels: tuple[object, ...]) -> bytes:
    return hashlib.blake2b(repr((seed, *labels)).encode(), digest_size=16).digest()
