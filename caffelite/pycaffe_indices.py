"""What pycaffe's Net gives by number instead of by name, under names with an underscore that scripts use all the same.

Source: python/caffe/_caffe.cpp.
"""

from __future__ import annotations

import operator
from typing import SupportsIndex

from caffelite.core.errors import UsageError
from caffelite.core.net import net as engine
from caffelite.core.vectors import BlobVec, DtypeVec, IntVec, StringVec


class IndexedNet(engine.Net):
    """The engine's net with its layers and blobs by number."""

    @property
    def _layer_names(self) -> StringVec:
        return StringVec(self.layer_names)

    @property
    def _blob_names(self) -> StringVec:
        return StringVec(self._wiring.blob_names)

    @property
    def _blobs(self) -> BlobVec:
        """All blobs in the order in which layers make them; as they can be looked at, each pass fills them."""
        for blob in self._blob_list:
            blob.pinned = True
        return BlobVec(self._blob_list)

    @property
    def _inputs(self) -> IntVec:
        return IntVec(self._wiring.input_ids)

    @property
    def _outputs(self) -> IntVec:
        return IntVec(self._wiring.output_ids)

    @property
    def _blob_loss_weights(self) -> DtypeVec:
        return DtypeVec(self._loss_weights.get(number, 0.0) for number in range(len(self._blob_list)))

    def _top_ids(self, layer: SupportsIndex) -> IntVec:
        return IntVec(self._wiring.top_ids[self._checked(layer)])

    def _bottom_ids(self, layer: SupportsIndex) -> IntVec:
        return IntVec(self._wiring.bottom_ids[self._checked(layer)])

    def _checked(self, layer: SupportsIndex) -> int:
        index = operator.index(layer)
        if not 0 <= index < len(self.plan.layer_steps):
            raise UsageError(f'layer {index}: net "{self.name}" has layers 0 to {len(self.plan.layer_steps) - 1}')
        return index

    def _forward(self, start: SupportsIndex, end: SupportsIndex) -> float:
        """Run layers `start` to `end`, by number and both included; return the sum of their losses."""
        return self.forward_from_to(operator.index(start), operator.index(end))

    def _backward(self, start: SupportsIndex, end: SupportsIndex) -> None:
        """Run backward layers `start` down to `end`, by number and both included."""
        self.backward_from_to(operator.index(start), operator.index(end))
