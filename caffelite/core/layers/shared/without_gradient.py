"""Layers that only make results, and through which no gradient goes."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer


class WithoutGradientLayer(Layer):
    """A layer whose tops have no gradient in its bottoms; it refuses when asked for one."""

    has_backward = False

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Refuse; LayerError says so."""
        raise LayerError("propagate_down", "true", f"{self.type} has no gradient; end what is trained before it")
