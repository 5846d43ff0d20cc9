"""Random numbers of a record: functions of a key and the record's number, whoever asks, when, and in which thread."""

from __future__ import annotations

import math

MASK = 2**64 - 1
AUGMENTATION = 0x5DEECE66D1CE4E5B  # tells the keys of augmentation from the key of crop and mirror


def record_bits(key: int, record: int) -> int:
    """Return 64 bits for this record (the mixer of splitmix64)."""
    bits = (key + record * 0x9E3779B97F4A7C15) & MASK
    bits = ((bits ^ bits >> 30) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ bits >> 27) * 0x94D049BB133111EB) & MASK
    return bits ^ bits >> 31


class Draws:
    """The draws of one record for one kind of change, in order: other kinds neither shift nor change them."""

    def __init__(self, key: int, kind: int, record: int) -> None:
        self._key = record_bits(record_bits(key ^ AUGMENTATION, kind), record)
        self._count = 0

    def bits(self) -> int:
        """Return 64 bits."""
        self._count += 1
        return record_bits(self._key, self._count)

    def uniform(self, low: float, high: float) -> float:
        """Return a number, low <= number < high unless they are equal."""
        return low + (high - low) * ((self.bits() >> 11) * 2.0**-53)

    def log_uniform(self, low: float, high: float) -> float:
        """Return a number between two positive ones whose logarithm is uniform."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def happens(self, probability: float) -> bool:
        """Return True with this probability: never with 0, always with 1."""
        return self.uniform(0, 1) < probability
