"""Pinning: a blob that somebody took from the net is from then on filled at each pass."""

from __future__ import annotations

from collections.abc import ItemsView, ValuesView
from typing import Any

from caffelite.core.blob import Blob
from caffelite.core.fixed import FixedDict


class PinningBlobs(FixedDict[Blob]):
    """Blobs by name; one that is taken out becomes pinned, all of them when they are walked through."""

    def __getitem__(self, name: str) -> Blob:
        blob = super().__getitem__(name)
        blob.pinned = True
        return blob

    def get(self, name: str, default: Any = None) -> Any:
        """Return a blob, pinned, or the default."""
        return self[name] if name in self else default

    def values(self) -> ValuesView[Blob]:  # type: ignore[override]
        """Return all blobs, pinned."""
        self._pin_all()
        return super().values()

    def items(self) -> ItemsView[str, Blob]:  # type: ignore[override]
        """Return all names and blobs, pinned."""
        self._pin_all()
        return super().items()

    def _pin_all(self) -> None:
        for name in self:
            self[name]
