"""Layer: what Net.getLayer shows of a layer."""

from __future__ import annotations

from dataclasses import dataclass

from caffelite.core.blob import Array


@dataclass(frozen=True)
class Layer:
    """A layer of a net: its `name`, its `type` as the prototxt writes it, and `blobs`, copies of its parameters.

    As in OpenCV, a parameter of one axis is (n, 1), the bias of an InnerProduct layer (1, n). `preferableTarget` is
    always 0, the CPU.
    """

    name: str
    type: str
    blobs: tuple[Array, ...] = ()
    preferableTarget: int = 0  # noqa: N815  (OpenCV's name)

    def outputNameToIndex(self, outputName: str) -> int:  # noqa: N802, N803
        """Return 0: OpenCV's layers of Caffe nets do not name their outputs."""
        return 0
