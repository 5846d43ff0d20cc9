"""Names of an ONNX file as names of layers and blobs: kept, but for signs that other tools stumble at."""

from __future__ import annotations

import re

_OTHER = re.compile(r"[^A-Za-z0-9_.:/\-]")


class Names:
    """Gives every name out once."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, original: str) -> str:
        """Return the legal name of what the file calls `original`, the same each time."""
        if original not in self._given:
            self._given[original] = self.new(original)
        return self._given[original]

    def new(self, wanted: str) -> str:
        """Return a legal name that nothing else has: the slash before it gone, signs replaced, a number behind it."""
        legal = _OTHER.sub("_", wanted).strip("/") or "unnamed"
        name, number = legal, 1
        while name in self._taken:
            number += 1
            name = f"{legal}_{number}"
        self._taken.add(name)
        return name
