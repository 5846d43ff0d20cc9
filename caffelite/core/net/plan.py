"""Plan: the steps that a net runs. A step is one layer with its blobs and what of it runs forward and backward."""

from __future__ import annotations

from dataclasses import dataclass, field

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.errors import CaffeliteError, LayerError
from caffelite.core.layer import Layer
from caffelite.core.prototxt.lines import Place, where
from caffelite.proto.caffe_pb2 import LayerParameter


@dataclass
class Step:
    """One layer in its place in the net.

    `loss_weights` has one entry a top. `need_backward` says whether a backward pass runs it, `propagate_down` which
    bottoms then get a gradient.
    """

    layer: Layer
    bottom: list[Blob]
    top: list[Blob]
    loss_weights: list[float] = field(default_factory=list)
    need_backward: bool = False
    propagate_down: list[bool] = field(default_factory=list)
    _shapes: list[Shape] = field(default_factory=list)
    _weighted: list[tuple[Blob, float]] = field(default_factory=list)
    _loss_diffs: list[Array] = field(default_factory=list)

    def note_shapes(self) -> None:
        """Take the bottoms' shapes as those that the layer was set up for, and give weighted tops their weights."""
        self._weighted = [(blob, weight) for blob, weight in zip(self.top, self.loss_weights, strict=True) if weight]
        self._shapes = [blob.shape for blob in self.bottom]
        self._fill_loss_diffs()

    def reshape(self) -> None:
        """Let the layer shape its tops, if a bottom's shape changed since the last time or it asks for it always."""
        shapes = [blob.shape for blob in self.bottom]
        if shapes == self._shapes and not self.layer.reshape_every_pass:
            return
        try:
            self.layer.reshape(self.bottom, self.top)
        except CaffeliteError as err:
            raise with_location(err, self.layer.layer_param, self.layer.place) from err.__cause__
        self._shapes = shapes
        self._fill_loss_diffs()

    def forward(self) -> float:
        """Shape and fill the tops; return the sum of loss weight x value over the weighted ones."""
        self.reshape()
        try:
            self.layer.forward(self.bottom, self.top)
        except CaffeliteError as err:
            raise with_location(err, self.layer.layer_param, self.layer.place) from err.__cause__
        loss = 0.0
        for blob, weight in self._weighted:
            loss += weight * float(blob.data.sum())
        return loss

    def backward(self) -> None:
        """Compute the gradients of the bottoms in `propagate_down` and add those of the parameters."""
        try:
            self.layer.backward(self.top, self.propagate_down, self.bottom)
        except CaffeliteError as err:
            raise with_location(err, self.layer.layer_param, self.layer.place) from err.__cause__

    def _fill_loss_diffs(self) -> None:
        """Fill the diff of each weighted top with its weight where the storage is not the one filled before.

        What the user writes there stays; storage that was replaced has lost the weight.
        """
        filled = {id(storage) for storage in self._loss_diffs}
        self._loss_diffs = [blob.diff_storage() for blob, _ in self._weighted]
        for storage, (_, weight) in zip(self._loss_diffs, self._weighted, strict=True):
            if id(storage) not in filled:
                storage.fill(weight)


def with_location(err: CaffeliteError, layer: LayerParameter, place: Place | None) -> CaffeliteError:
    """Return the error with the layer's file, line, name and type in front, unless it has them already."""
    if isinstance(err, LayerError):
        err.where = err.where or _location(layer, place, err.field)
    elif not getattr(err, "located", False):
        err.args = (_location(layer, place) + str(err), *err.args[1:])
        err.located = True  # type: ignore[attr-defined]
    return err


def _location(layer: LayerParameter, place: Place | None, field_name: str = "") -> str:
    return f'{where(place, field_name)}layer "{layer.name}" ({layer.type}): '
