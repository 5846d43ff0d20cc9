"""Arrays as text in the page: float32, little-endian, base64, each once however often it is used."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import numpy as np

from caffelite.core.blob import Array

ZEROS = -1  # stands for an array of nothing but zeros


class Arrays:
    """The page's arrays by their numbers; float64 is rounded to float32."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._known: dict[bytes, int] = {}

    def add(self, values: Array) -> int:
        """Return the number of the array."""
        return self._add(np.ascontiguousarray(values, "<f4")) if np.any(values) else ZEROS

    def add_bytes(self, values: Array) -> int:
        """Return the number of an array of uint8."""
        return self._add(np.ascontiguousarray(values, np.uint8))

    def _add(self, values: Array) -> int:
        content = values.tobytes()
        key = sha256(content).digest()
        if key not in self._known:
            self._known[key] = len(self.texts)
            self.texts.append(b64encode(content).decode("ascii"))
        return self._known[key]
